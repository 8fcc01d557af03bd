"""The dense model in a config, also where the config trains a supernet of it."""

from __future__ import annotations

import copy

from mmengine.config import Config, ConfigDict

from nasvit_mm.config import type_name


def inner_model(cfg: Config) -> ConfigDict:
    """Return the config of the model in a supernet's config, or in one that learns from a teacher;
    of another config its model.

    Its preprocessor is in it wherever that is given: in the model, of the supernet, or beside it.
    """
    model = copy.deepcopy(cfg.model.get('model') or cfg.model)
    for given in (cfg.model.get('data_preprocessor'), cfg.get('data_preprocessor')):
        if given is not None:
            model.setdefault('data_preprocessor', copy.deepcopy(given))
    return model


def standalone(cfg: Config) -> Config:
    """Return the config of the model that a supernet's config trains subnets of, or that learns
    from a teacher; another as it is.

    Data, schedule and metric stay; what is the supernet's alone (loops over subnets, hook) goes,
    and what it does itself (the limit of the gradient) is the optimizer wrapper's again.
    """
    kind = type_name(cfg.get('model'))
    if kind not in ('Supernet', 'Distilled'):
        return cfg
    cfg = copy.deepcopy(cfg)
    if kind == 'Distilled':
        cfg.model = inner_model(cfg)
        return cfg
    limit, wrapper = cfg.model.get('clip_grad'), cfg.get('optim_wrapper')
    if limit is not None and wrapper and wrapper.get('clip_grad') is None:
        wrapper.clip_grad = dict(max_norm=limit)
    cfg.model = inner_model(cfg)
    cfg.val_cfg, cfg.test_cfg = dict(type='ValLoop'), dict(type='TestLoop')
    cfg.custom_hooks = [
        hook for hook in cfg.get('custom_hooks', ()) if hook.type != 'nasvit_mm.SupernetState'
    ]
    saving = (cfg.get('default_hooks') or {}).get('checkpoint') or {}
    if '/' in str(saving.get('save_best')):  # SUBNET/METRIC
        saving.save_best = saving.save_best.partition('/')[2]
    return cfg
