"""What works in this environment, what does not, and the command that mends it.

    python -m nasvit_mm.doctor [CONFIG] [--json]

Every answer comes from trying the thing: a tiny mmseg model and a tiny mmdet detector predict, a
process group is started, an ONNX file runs. Missing packages are findings and never a traceback.
With a CONFIG it also says whether this machine has every operation of mmcv that the config's model
can reach. The exit code is 0 when segmentation and the config's operations work and 1 otherwise.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import importlib.util
import json
import os
import platform
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

from nasvit_mm.compat import (
    build_command,
    check_operations,
    has_cpu_kernel,
    import_onnxruntime,
    is_stand_in,
    modules_without,
    tested,
)
from nasvit_mm.errors import UsageError, first_line
from nasvit_mm.version import __version__

# Import name -> the distributions that provide it; the first is the one that is tested.
PACKAGES = {
    'torch': ('torch',),
    'torchvision': ('torchvision',),
    'numpy': ('numpy',),
    'timm': ('timm',),
    'mmengine': ('onedl-mmengine', 'mmengine'),
    'mmcv': ('onedl-mmcv', 'mmcv-lite', 'mmcv'),
    'mmseg': ('onedl-mmsegmentation', 'mmsegmentation'),
    'mmdet': ('onedl-mmdetection', 'mmdet'),
    'pymoo': ('pymoo',),
    'matplotlib': ('matplotlib',),
    'onnx': ('onnx',),
    'onnxscript': ('onnxscript',),
    'onnxruntime': ('onnxruntime', 'onnxruntime-gpu'),
}

_OPENMMLAB = ('mmengine', 'mmcv-lite', 'mmcv', 'mmsegmentation', 'mmdet')

# Other modules whose absence is met on the way, where the distribution has another name.
_OTHER_DISTRIBUTIONS = {'cv2': 'opencv-python-headless', 'yaml': 'pyyaml', 'PIL': 'pillow'}


Answer = tuple[bool, str, str]  # works, one line about it, the command that mends it or ''


@dataclasses.dataclass(frozen=True)
class Package:
    """One import name: what is installed (none, one, or a clash of two) beside what is tested."""

    name: str
    installed: dict[str, str]  # distribution -> version
    tested: str | None
    fix: str = ''


@dataclasses.dataclass(frozen=True)
class Capability:
    """One answer; `fix` is a command, empty where there is nothing to mend."""

    name: str
    works: bool
    detail: str
    fix: str = ''


def find_packages() -> list[Package]:
    """Return the installed versions beside the tested ones, without importing anything."""
    pins = tested.versions()
    found = []
    for name, distributions in PACKAGES.items():
        installed = {d: v for d in distributions if (v := _version(d))}
        # Two distributions with one import name have overwritten each other's files.
        fix = ''
        if len(installed) > 1:
            remove, install = ' '.join(installed), tested.pinned(distributions[0])
            fix = f'pip uninstall -y {remove} && pip install {install}'
        found.append(Package(name, installed, pins.get(distributions[0]), fix))
    return found


def find_capabilities(config: str | None = None) -> list[Capability]:
    """Try every capability; takes some ten seconds, most of it imports.

    Args:
        config: a config file, whose model's operations are looked for too.
    """
    found = [_try(name, *probe) for name, probe in _PROBES.items()]
    if config is not None:
        found.append(_try('operations', lambda: _operations_of(config), ('mmengine', 'mmcv')))
    return found


# --- The probes. Each returns its answer, or raises.


def _segmentation() -> Answer:
    import torch
    from mmengine import ConfigDict
    from mmseg.registry import MODELS

    head = dict(type='FCNHead', in_channels=64, in_index=3, channels=8, num_convs=1, num_classes=4)
    model = MODELS.build(
        ConfigDict(
            type='EncoderDecoder',
            data_preprocessor=dict(type='mmseg.SegDataPreProcessor', size=(64, 64)),
            backbone=dict(type='ResNet', depth=18, base_channels=8, num_stages=4),
            decode_head=head,
            test_cfg=dict(mode='whole'),
        )
    ).eval()
    with torch.no_grad():
        maps = model.predict(torch.randn(1, 3, 64, 64))
    shape = tuple(maps[0].pred_sem_seg.data.shape)
    if shape != (1, 64, 64):
        raise RuntimeError(f'mmseg predicted a map of shape {shape} for an image of 64x64')
    return True, 'an mmseg EncoderDecoder predicts', ''


def _detection() -> Answer:
    import torch
    from mmdet.registry import MODELS
    from mmdet.structures import DetDataSample
    from mmengine import ConfigDict

    # The threshold lies below an untrained head's score of 0.01, so that nms has boxes to judge.
    nms = dict(nms_pre=100, score_thr=1e-4, nms=dict(type='nms', iou_threshold=0.5))
    model = MODELS.build(
        ConfigDict(
            type='RetinaNet',
            data_preprocessor=dict(type='mmdet.DetDataPreprocessor'),
            backbone=dict(type='ResNet', depth=18, base_channels=8, out_indices=(1, 2, 3)),
            neck=dict(type='FPN', in_channels=[16, 32, 64], out_channels=8, num_outs=5),
            bbox_head=dict(type='RetinaHead', num_classes=4, in_channels=8, feat_channels=8),
            test_cfg=dict(nms, max_per_img=10),
        )
    ).eval()
    meta = dict(img_shape=(64, 64), ori_shape=(64, 64), scale_factor=(1.0, 1.0))
    with torch.no_grad():
        boxes = model.predict(torch.randn(1, 3, 64, 64), [DetDataSample(metainfo=meta)])
    if not len(boxes[0].pred_instances):
        raise RuntimeError('mmdet predicted no box, although its score threshold admits all')
    return True, 'an mmdet RetinaNet predicts, nms through mmcv', ''


def _compiled_ops() -> Answer:
    import mmcv._ext as ext
    from mmengine.device import get_device

    device = get_device()
    without = modules_without(device)
    if without:
        some = (f'{name} ({", ".join(sorted(of))})' for name, of in sorted(without.items()))
        runs = f'all modules of mmdet and mmseg run here but {", ".join(some)}'
    else:
        runs = 'all modules of mmdet and mmseg run here'
    if not is_stand_in(ext):
        return True, f'compiled: {runs}', ''
    # A few that no module of mmdet or mmseg needs are missing too.
    helps = any(device != 'cpu' or has_cpu_kernel(op) for of in without.values() for op in of)
    more = ', which compiling does not change on a CPU' if without and not helps else ''
    return True, f"nasvit_mm's, without a compiler: {runs}{more}", build_command() if helps else ''


def _operations_of(config: str) -> Answer:
    from nasvit_mm.runtime import read_config

    try:
        check_operations(read_config(config))
    except UsageError as error:
        return False, str(error), ''
    return True, f'this machine has every operation of mmcv that {config} can reach', ''


def _gpu() -> Answer:
    import torch

    if not torch.cuda.is_available():
        built = torch.version.cuda or torch.version.hip
        why = f'built for {built}, but no device' if built else 'a build for the CPU only'
        fix = 'nvidia-smi' if built else _reinstall('torch', 'torchvision')
        return False, f'torch {torch.__version__} is {why}; everything runs on the CPU', fix
    x = torch.ones(8, 8, device='cuda')
    if (x @ x).sum().item() != 512:
        raise RuntimeError('a matrix product on the GPU is wrong')
    return True, f'{torch.cuda.device_count()} x {torch.cuda.get_device_name()}', ''


def _distributed() -> Answer:
    from datetime import timedelta

    import torch
    import torch.distributed as dist

    devices = {'gloo': 'cpu', **({'nccl': 'cuda'} if torch.cuda.is_available() else {})}
    limit = timedelta(seconds=30)
    for backend, device in devices.items():
        store = dist.TCPStore('127.0.0.1', 0, 1, is_master=True, timeout=limit)  # a free port
        dist.init_process_group(backend, store=store, rank=0, world_size=1, timeout=limit)
        try:
            dist.all_reduce(torch.ones(1, device=device))
        finally:
            dist.destroy_process_group()
    return True, ' and '.join(devices), ''


def _search() -> Answer:
    from pymoo.algorithms.moo.nsga2 import NSGA2
    from pymoo.optimize import minimize
    from pymoo.problems import get_problem

    minimize(get_problem('zdt1', n_var=4), NSGA2(pop_size=8), ('n_gen', 2), seed=1)
    return True, 'pymoo runs NSGA-II', ''


def _export() -> Answer:
    import torch

    onnxruntime = import_onnxruntime()
    model, x = torch.nn.Conv2d(3, 4, 3).eval(), torch.randn(1, 3, 8, 8)
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder, 'conv.onnx'))
        torch.onnx.export(model, (x,), path)
        session = onnxruntime.InferenceSession(path, providers=['CPUExecutionProvider'])
        got = session.run(None, {session.get_inputs()[0].name: x.numpy()})[0]
    torch.testing.assert_close(torch.from_numpy(got), model(x).detach(), atol=1e-4, rtol=1e-4)
    return True, 'an exported convolution runs in onnxruntime with the same numbers', ''


# --- Running the probes ----------------------------------------------------------------------


def _try(name: str, probe: Callable[[], Answer], fix: str | tuple[str, ...]) -> Capability:
    try:
        with _silence():
            return Capability(name, *probe())
    except Exception as error:  # whatever a broken package raises is a finding
        reason = f'{type(error).__name__}: {first_line(error)}'[:200]
        modules = () if isinstance(fix, str) else fix
        last = fix if isinstance(fix, str) else _reinstall(*fix)
        return Capability(name, False, reason, _command(error, modules) or last)


def _command(error: Exception, modules: tuple[str, ...] = ()) -> str:
    """Return the command that mends a known kind of failure, or ''.

    Args:
        modules: those that the capability needs; the command installs all that are absent.
    """
    text = str(error)
    if isinstance(error, ModuleNotFoundError) and error.name:
        absent = dict.fromkeys([error.name.partition('.')[0], *filter(_is_absent, modules)])
        return f'pip install {tested.pinned(*map(_distribution, absent))}'
    if 'libGL' in text or 'libgthread' in text:
        return f'pip install --force-reinstall --no-deps {tested.pinned("opencv-python-headless")}'
    if 'torchvision::' in text:  # the two were built for different torches
        return _reinstall('torch', 'torchvision')
    return ''


def _is_absent(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is None
    except ImportError:
        return True


def _distribution(module: str) -> str:
    """Return the distribution to install for a module, of the family that is already here."""
    if module not in PACKAGES:
        return _OTHER_DISTRIBUTIONS.get(module, module)
    choices = PACKAGES[module]
    return choices[1] if module.startswith('mm') and _openmmlab() else choices[0]


def _openmmlab() -> bool:
    """Return whether OpenMMLab's own builds, and no OneDL ones, are installed."""
    onedl = [PACKAGES[name][0] for name in ('mmengine', 'mmcv', 'mmseg', 'mmdet')]
    return any(map(_version, _OPENMMLAB)) and not any(map(_version, onedl))


def _reinstall(*modules: str) -> str:
    """Return the command that installs modules anew, the mm ones without what they ask for."""
    mm = modules[0].startswith('mm')
    if mm and _openmmlab():
        return 'pip install -e ".[openmmlab]"    # in the checkout of nasvit_mm'
    flags = '--force-reinstall --no-deps' if mm else '--force-reinstall'
    return f'pip install {flags} {tested.pinned(*map(_distribution, modules))}'


# What is tried, and where the failure is of no known kind: a command, or modules to reinstall.
_PROBES: dict[str, tuple[Callable[[], Answer], str | tuple[str, ...]]] = {
    'segmentation': (_segmentation, ('mmengine', 'mmcv', 'mmseg')),
    'detection': (_detection, ('mmengine', 'mmcv', 'mmdet')),
    'compiled ops': (_compiled_ops, ('mmcv',)),
    'GPU': (_gpu, 'nvidia-smi'),
    'distributed': (_distributed, 'GLOO_SOCKET_IFNAME=lo python -m nasvit_mm.doctor'),
    'search': (_search, ('pymoo',)),
    'export': (_export, ('onnx', 'onnxscript', 'onnxruntime')),
}


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Send file descriptors 1 and 2 to nowhere: gloo and onnxruntime write below Python."""
    with (
        contextlib.ExitStack() as undo,
        warnings.catch_warnings(),
        open(os.devnull, 'w') as nowhere,
    ):
        warnings.simplefilter('ignore')
        for stream, number in ((sys.stdout, 1), (sys.stderr, 2)):
            stream.flush()
            kept = os.dup(number)
            os.dup2(nowhere.fileno(), number)
            undo.callback(os.close, kept)
            undo.callback(os.dup2, kept, number)
            undo.callback(stream.flush)
        yield


# --- The report ------------------------------------------------------------------------------


def _as_text(packages: list[Package], capabilities: list[Capability]) -> str:
    lines = [f'nasvit_mm {__version__}, Python {platform.python_version()}, {sys.executable}', '']
    if not any(package.tested for package in packages):
        lines.append('the tested versions are unknown: nasvit_mm itself is not installed here')
    lines.append(f'{"package":<13}{"found":<40}tested')
    for package in packages:
        found = ', '.join(_label(name, version) for name, version in package.installed.items())
        pinned = _label(PACKAGES[package.name][0], package.tested) if package.tested else '-'
        lines.append(f'{package.name:<13}{found or "-":<40}{pinned}')
        if package.fix:
            lines.append(f'{"":<13}two distributions of one import name; mend: {package.fix}')
    lines.append('')
    for capability in capabilities:
        works = 'works' if capability.works else 'does not'
        lines.append(f'{capability.name:<13}{works:<10}{capability.detail}')
        if capability.fix:
            lines.append(f'{"":<23}{"more" if capability.works else "mend"}: {capability.fix}')
    return '\n'.join(lines)


def _label(distribution: str, version: str) -> str:
    if distribution.startswith('onedl-'):
        return f'{version} (OneDL: {distribution})'
    return f'{version} (OpenMMLab: {distribution})' if distribution in _OPENMMLAB else version


def _as_json(packages: list[Package], capabilities: list[Capability]) -> str:
    report: dict[str, Any] = {
        'nasvit_mm': __version__,
        'python': platform.python_version(),
        'packages': [dataclasses.asdict(package) for package in packages],
        'capabilities': [dataclasses.asdict(capability) for capability in capabilities],
    }
    return json.dumps(report, indent=2)


def main(argv: list[str] | None = None) -> int:
    """Print the report; return 0 when segmentation and a config's operations work, else 1."""
    parser = argparse.ArgumentParser(
        prog=None if sys.argv[0].startswith('nasvit-mm') else 'python -m nasvit_mm.doctor',
        description=(__doc__ or '').splitlines()[0],
    )
    parser.add_argument(
        'config', nargs='?', help='a config: does this machine have what its model needs of mmcv?'
    )
    parser.add_argument('--json', action='store_true', help='print JSON instead of a table')
    options = parser.parse_args(argv)
    packages, capabilities = find_packages(), find_capabilities(options.config)
    print((_as_json if options.json else _as_text)(packages, capabilities))
    needed = ('segmentation', 'operations')
    return 0 if all(c.works for c in capabilities if c.name in needed) else 1


if __name__ == '__main__':
    sys.exit(main())
