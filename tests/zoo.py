"""Models of mmseg's and mmdet's own zoos around a small supernet, an eighth as wide."""

from __future__ import annotations

import importlib
import itertools
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from mmengine.config import Config, ConfigDict
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import init_default_scope
from mmengine.structures import InstanceData, PixelData
from torch import nn

from nasvit_mm.family import FAMILIES
from nasvit_mm.registry import MODELS
from tests.families import small
from tests.test_supernet.tasks import raw_batch

SHARE = 8
ALL, TOP = (0, 1, 2, 3), (1, 2, 3)
R50 = (256, 512, 1024, 2048)
CLASSES, STUFF = 4, 2


class Entry(NamedTuple):
    """A config of a zoo: the outputs of the backbone that it takes, and their widths there."""

    package: str
    path: str
    outputs: tuple[int, ...] = ALL
    widths: tuple[int, ...] = R50


ZOO = {
    'fcn': Entry('mmseg', 'fcn/fcn_r50-d8_4xb2-40k_cityscapes-512x1024.py'),
    'knet': Entry('mmseg', 'knet/knet-s3_r50-d8_fcn_8xb2-adamw-80k_ade20k-512x512.py'),
    'encnet': Entry('mmseg', 'encnet/encnet_r50-d8_4xb2-40k_cityscapes-512x1024.py'),
    'danet': Entry('mmseg', 'danet/danet_r50-d8_4xb2-40k_cityscapes-512x1024.py'),
    'ocrnet': Entry(
        'mmseg', 'ocrnet/ocrnet_hr18_4xb2-160k_cityscapes-512x1024.py', widths=(18, 36, 72, 144)
    ),
    'seg point_rend': Entry('mmseg', 'point_rend/pointrend_r50_4xb2-80k_cityscapes-512x1024.py'),
    'seg maskformer': Entry('mmseg', 'maskformer/maskformer_r50-d32_8xb2-160k_ade20k-512x512.py'),
    'seg mask2former': Entry('mmseg', 'mask2former/mask2former_r50_8xb2-160k_ade20k-512x512.py'),
    'fcos': Entry('mmdet', 'fcos/fcos_r50-caffe_fpn_gn-head_1x_coco.py'),
    'sabl_retina': Entry('mmdet', 'sabl/sabl-retinanet_r50_fpn_1x_coco.py'),
    'autoassign': Entry('mmdet', 'autoassign/autoassign_r50-caffe_fpn_1x_coco.py'),
    'free_anchor': Entry('mmdet', 'free_anchor/freeanchor_r50_fpn_1x_coco.py'),
    'yolov3': Entry('mmdet', 'yolo/yolov3_d53_8xb8-320-273e_coco.py', TOP, (256, 512, 1024)),
    'yolox': Entry('mmdet', 'yolox/yolox_tiny_8xb8-300e_coco.py', TOP, (96, 192, 384)),
    'rtmdet': Entry('mmdet', 'rtmdet/rtmdet_tiny_8xb32-300e_coco.py', TOP, (96, 192, 384)),
    'rtmdet-ins': Entry('mmdet', 'rtmdet/rtmdet-ins_tiny_8xb32-300e_coco.py', TOP, (96, 192, 384)),
    'condinst': Entry('mmdet', 'condinst/condinst_r50_fpn_ms-poly-90k_coco_instance.py'),
    'yolact': Entry('mmdet', 'yolact/yolact_r50_1xb8-55e_coco.py'),
    'solo': Entry('mmdet', 'solo/solo_r50_fpn_1x_coco.py'),
    'solov2': Entry('mmdet', 'solov2/solov2_r50_fpn_1x_coco.py'),
    'centernet': Entry('mmdet', 'centernet/centernet_r18_8xb16-crop512-140e_coco.py', (3,), (512,)),
    'faster_rcnn': Entry('mmdet', 'faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py'),
    'mask_rcnn': Entry('mmdet', 'mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py'),
    'grid_rcnn': Entry('mmdet', 'grid_rcnn/grid-rcnn_r50_fpn_gn-head_1x_coco.py'),
    'cascade_mask_rcnn': Entry('mmdet', 'cascade_rcnn/cascade-mask-rcnn_r50_fpn_1x_coco.py'),
    'htc': Entry('mmdet', 'htc/htc_r50_fpn_1x_coco.py'),
    'crowddet': Entry('mmdet', 'crowddet/crowddet-rcnn_r50_fpn_8xb2-30e_crowdhuman.py'),
    'sparse_rcnn': Entry('mmdet', 'sparse_rcnn/sparse-rcnn_r50_fpn_1x_coco.py'),
    'panoptic_fpn': Entry('mmdet', 'panoptic_fpn/panoptic-fpn_r50_fpn_1x_coco.py'),
    'detr': Entry('mmdet', 'detr/detr_r50_8xb2-150e_coco.py', (3,), (2048,)),
    'deformable_detr': Entry(
        'mmdet', 'deformable_detr/deformable-detr_r50_16xb2-50e_coco.py', TOP, R50[1:]
    ),
    'dino': Entry('mmdet', 'dino/dino-4scale_r50_8xb2-12e_coco.py', TOP, R50[1:]),
    'ddq': Entry('mmdet', 'ddq/ddq-detr-4scale_r50_8xb2-12e_coco.py', TOP, R50[1:]),
    'mask2former': Entry('mmdet', 'mask2former/mask2former_r50_8xb2-lsj-50e_coco-panoptic.py'),
    'maskformer': Entry('mmdet', 'maskformer/maskformer_r50_ms-16xb1-75e_coco.py'),
}

# One of each kind that the code has a way of its own for: all of these are tried with every family.
KINDS = [
    *('fcn', 'knet', 'ocrnet', 'seg mask2former'),
    *('rtmdet', 'condinst', 'mask_rcnn', 'sparse_rcnn', 'deformable_detr', 'panoptic_fpn'),
]
NETWORKS = 'nasvit', 'elasticvit', 'vitas_twins'


def with_families(names: Iterable[str]) -> list[tuple[str, str]]:
    """Pair names with families: one of :data:`KINDS` with each, others with these in turn."""
    turn = itertools.cycle(NETWORKS)
    return [
        (name, family) for name in names for family in (NETWORKS if name in KINDS else [next(turn)])
    ]


CHANNELS = re.compile(
    r'(channels?|embed_dims|num_feats|feat_dims|c1_in_channels|num_deconv_filters)$'
)
LIMITS = {  # keys whose numbers cost time, and the most that a test needs
    'num_queries': 20,
    'num_proposals': 20,
    'dense_topk_ratio': 2,
    'num_dn_queries': 5,
    'stacked_convs': 1,
    'num': 64,
    'max_per_img': 20,
    'nms_pre': 100,
    'num_points': 64,
    'num_groups': 4,  # of norms
}


def zoo_model(
    name: str | Entry, space: str = 'nasvit', size: tuple[int, int] = (64, 96)
) -> ConfigDict:
    """Config of a model of the zoo around a small supernet of a space."""
    entry = name if isinstance(name, Entry) else ZOO[name]
    root = Path(importlib.import_module(entry.package).__file__).parent / '.mim/configs'
    cfg = Config.fromfile(root / entry.path, import_custom_modules=False)
    init_default_scope(entry.package)
    model = cfg.model
    _shrink(model)
    head = model.get('bbox_head', {})
    if entry.path.startswith('crowddet'):
        model.roi_head.bbox_head.num_classes = 1  # it knows no more
    if entry.path.startswith(('deformable', 'dino', 'ddq')):
        head['embed_dims'] = 256 // SHARE  # the default is the zoo's width
    model.backbone = dict(
        type=f'nasvit_mm.{FAMILIES[space].part("backbone").__name__}',
        space=small(space).restrict(resolution=32).to_dict(),
        out_indices=entry.outputs,
        out_width=[_share(width) for width in entry.widths],
    )
    preprocessor = model.setdefault('data_preprocessor', dict(type='DetDataPreprocessor'))
    preprocessor.pop('batch_augments', None)
    if entry.package == 'mmseg':
        preprocessor['size'] = size
    return model


def zoo_network(cfg: ConfigDict) -> nn.Module:
    """Build a model of the zoo, for one process, with the weights that its layers begin with."""
    model = revert_sync_batchnorm(MODELS.build(cfg))
    if hasattr(model, 'level_embed'):  # in which mmdet leaves what was in memory, NaN too
        nn.init.normal_(model.level_embed)
    return model


def zoo_batch(model: nn.Module, size: tuple[int, int] = (64, 96)) -> Mapping[str, Any]:
    """Two images with what a model of the zoo wants to know of them."""
    data = raw_batch(model, size)
    masks = any('mask' in name for name, _ in model.named_modules())
    for sample in data['data_samples'] if hasattr(model, 'with_bbox') else ():
        if not masks and 'masks' in sample.gt_instances:
            del sample.gt_instances.masks
        if type(model).__name__ == 'CrowdDet':  # it wants two boxes of an image, and more
            sample.gt_instances = InstanceData.cat([sample.gt_instances] * 2)
        semantic = torch.full((1, *size), CLASSES - 1)
        sample.gt_sem_seg = PixelData(sem_seg=semantic)
        sample.set_metainfo(dict(border=[0, size[0], 0, size[1]]))  # of CenterNet's crops
    return data


def _share(channels: Any) -> Any:
    if isinstance(channels, (list, tuple)):
        return type(channels)(_share(c) for c in channels)
    wide = isinstance(channels, int) and channels > 16
    return max(channels // SHARE, 2) if wide else channels


def _shrink(node: Any) -> None:
    """Narrow, and make few of what costs time, in place; no pretrained weights, no SyncBN."""
    if isinstance(node, (list, tuple)):
        for item in node:
            _shrink(item)
    if not isinstance(node, dict):
        return
    for key, value in list(node.items()):
        if CHANNELS.search(key):
            node[key] = _share(value)
        elif key in LIMITS and isinstance(value, int):
            node[key] = min(value, LIMITS[key])
        elif key == 'num_classes':
            node[key] = CLASSES
        elif key == 'num_things_classes':
            node[key] = CLASSES
        elif key == 'num_stuff_classes':
            node[key] = min(value, STUFF)
        elif key == 'class_weight' and isinstance(value, list):
            stuff = STUFF if len(value) in (134,) else 0
            node[key] = [1.0] * (CLASSES + stuff) + [value[-1]]
        elif key in ('encoder', 'decoder', 'transformer_decoder') and value:
            value['num_layers'] = min(value['num_layers'], 2) if 'num_layers' in value else 2
            _shrink(value)
        elif key in ('pretrained', 'init_cfg'):
            node[key] = None
        elif value == 'SyncBN':
            node[key] = 'BN'
        else:
            _shrink(value)
