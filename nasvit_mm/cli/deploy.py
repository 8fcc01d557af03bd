"""Make an artefact of a trained model: one folder that a device runs, compared with PyTorch.

    nasvit-mm deploy CONFIG WEIGHTS --to onnx --out work_dirs/deployed
    nasvit-mm deploy CONFIG WEIGHTS --to openvino --int8 --calibrate 128 --out DIR

For segmentors, detectors, instance segmentors and classifiers.  The graph takes uint8 RGB images
(N, H, W, 3); normalisation is in it, and so is what a prediction ends with: of a segmentor the
label map of the images' size, of a detector boxes, scores and labels after non-maximum suppression
(and masks, in the resolution of its network), of a classifier its softmax.  DIR holds the model,
deploy.json (what it takes and gives, digests) and a card.  Then

    nasvit-mm test CONFIG DIR               the metric, by the runtime that deploys it
    nasvit-mm benchmark DIR [DIR ...]       its latency
    python -c "from nasvit_mm import Predictor; print(Predictor('DIR')('street.jpg'))"

TensorRT runs the ONNX file (not run here, for want of a GPU): Predictor(DIR,
device='TensorrtExecutionProvider') with onnxruntime-gpu, or trtexec --onnx=DIR/model.onnx.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from nasvit_mm import apis
from nasvit_mm.cli import common
from nasvit_mm.deploy import RUNTIMES


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('config', help='file of configs/, or of an export')
    parser.add_argument('weights', help='checkpoint')
    parser.add_argument(
        '--to',
        required=True,
        metavar='RUNTIME',
        help=', '.join(name for name in RUNTIMES if name != 'torch-compile'),
    )
    parser.add_argument('--out', required=True, type=Path, help='folder to write')
    common.add_shape(parser)
    precision = parser.add_mutually_exclusive_group()
    precision.add_argument('--int8', action='store_true', help='quantise, by NNCF')
    precision.add_argument('--bf16', action='store_true', help='compute in bfloat16 (openvino)')
    parser.add_argument(
        '--calibrate',
        type=int,
        default=128,
        metavar='N',
        help='training images by which int8 ranges are chosen (%(default)s)',
    )
    parser.add_argument(
        '--keep-float',
        nargs='+',
        default=[],
        metavar='NAME',
        help='operations of the graph that stay in float in int8',
    )
    parser.add_argument(
        '--max-drop',
        type=float,
        metavar='X',
        help='of the metric (mIoU 1.0, mAP 0.01, top-1 1.0) on as many validation images: '
        'operations stay in float, those whose int8 form costs most first, until int8 loses no '
        'more',
    )
    parser.add_argument(
        '--batch', type=int, default=1, metavar='N', help='images at once; 0: any (%(default)s)'
    )
    parser.add_argument(
        '--dynamic',
        action='store_true',
        help='images of any height and width, multiples of 32; of segmentors of convolutions: '
        'attention is laid out for one size',
    )
    parser.add_argument('--logits', action='store_true', help='of a segmentor, not the label map')
    parser.add_argument('--force', action='store_true', help='write over another artefact')
    common.add_cfg_options(parser)


def main(argv: Sequence[str] | None = None) -> None:
    args = common.parse(__doc__, add_arguments, argv)
    done = apis.deploy(
        common.load_config(args),
        args.weights,
        args.out,
        to=args.to,
        shape=args.shape,
        precision='int8' if args.int8 else 'bf16' if args.bf16 else 'fp32',
        num_calibration=args.calibrate,
        keep_float=args.keep_float,
        max_drop=args.max_drop,
        batch=args.batch or None,
        dynamic=args.dynamic,
        logits=args.logits,
        force=args.force,
    )
    for name, value in done.measured.items():
        print(f'{name.replace("_", " ")}: {value:.6g}')
    if drop := done.origin.get('max_drop'):
        print(
            f'{drop["metric"]} of {drop["validation_images"]} validation images: '
            f'{drop["float"]:.4g} in float, {drop["int8"]:.4g} in int8'
        )
    print('\n'.join(str(done.folder / name) for name in (*done.files, 'deploy.json', 'README.md')))
    print(f'Now: nasvit-mm test {args.config} {done.folder}')
