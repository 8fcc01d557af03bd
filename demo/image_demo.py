"""Segment pictures, or find objects in them, with a trained model: mmseg's MMSegInferencer, mmdet's
DetInferencer.

    python demo/image_demo.py PICTURE CONFIG --weights CHECKPOINT [--out-dir outputs]

PICTURE is a file, a folder or a URL.  Drawn pictures go to OUT_DIR/vis, label maps to OUT_DIR/pred,
detections as JSON to OUT_DIR/preds.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / 'tools'))
import _common  # noqa: E402 (first: it makes the OpenMMLab packages importable)
from mmengine.config import Config  # noqa: E402
from mmengine.registry import DATASETS  # noqa: E402

from nasvit_mm import engine  # noqa: E402


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('picture', help='file, folder or URL')
    parser.add_argument('config', help='file of configs/')
    parser.add_argument('--weights', required=True, help='checkpoint: file or URL')
    parser.add_argument('--out-dir', default='outputs', help='where the results go (%(default)s)')
    parser.add_argument('--device', help='cuda:0, cpu (what there is)')
    parser.add_argument(
        '--opacity', type=float, default=0.6, help='of the drawn classes, 0 to 1 (%(default)s)'
    )
    parser.add_argument('--with-labels', action='store_true', help='write the names of classes')
    parser.add_argument(
        '--score',
        type=float,
        default=0.3,
        help='of the boxes that are drawn, at least (%(default)s)',
    )
    parser.add_argument('--show', action='store_true', help='show the pictures in windows')
    _common.add_cfg_options(parser)
    return parser.parse_args()


def class_names(cfg: Config) -> dict[str, Any]:
    """Names and colours of the classes, which the inferencers do not take from the config."""
    dataset = cfg.test_dataloader.dataset
    scoped = dataset.type if '.' in dataset.type else f'{cfg.default_scope}.{dataset.type}'
    meta = {**DATASETS.get(scoped).METAINFO, **dataset.get('metainfo', {})}
    return {key: meta[key] for key in ('classes', 'palette') if key in meta}


def segment(args: argparse.Namespace, cfg: Config) -> str:
    from mmseg.apis import MMSegInferencer

    inferencer = MMSegInferencer(cfg, args.weights, device=args.device, **class_names(cfg))
    inferencer(
        args.picture,
        out_dir=args.out_dir,
        opacity=args.opacity,
        show=args.show,
        with_labels=args.with_labels,
    )
    return f'label maps: {Path(args.out_dir, "pred")}'


def detect(args: argparse.Namespace, cfg: Config) -> str:
    from mmdet.apis import DetInferencer

    inferencer = DetInferencer(cfg, args.weights, device=args.device)
    inferencer.model.dataset_meta.update(class_names(cfg))  # weights alone say nothing of them
    inferencer.visualizer.dataset_meta = inferencer.model.dataset_meta
    inferencer(
        args.picture,
        out_dir=args.out_dir,
        pred_score_thr=args.score,
        show=args.show,
        no_save_pred=False,
        print_result=False,
    )
    return f'detections: {Path(args.out_dir, "preds")}'


def main() -> None:
    args = parse_args()
    if '://' not in args.picture and not Path(args.picture).exists():
        raise engine.UsageError(f'{args.picture} does not exist')
    if not 0 < args.opacity <= 1:
        raise engine.UsageError(f'--opacity {args.opacity}: expected a number in (0, 1]')
    cfg = _common.load_config(args)
    engine.check_checkpoint_exists(args.weights)
    # The inferencers would only warn of weights that do not fit, and draw noise.
    engine.check_checkpoint_fits(engine.build_model(cfg), args.weights, cfg)
    written = (detect if cfg.get('default_scope') == 'mmdet' else segment)(args, cfg)
    print(f'pictures: {Path(args.out_dir, "vis")}, {written}')


if __name__ == '__main__':
    _common.run(main)
