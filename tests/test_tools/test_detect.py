"""The tools on detectors, as a user starts them, over built-in pictures in COCO's layout."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope

from nasvit_mm.data import class_names
from tests.commands import ROOT, begin, error_line, start

RETINANET, MASK = 'configs/demo/nasvit_detection.py', 'configs/det/nasvit_coco_mask.py'
LOADERS = [f'{split}_dataloader' for split in ('train', 'val', 'test')]


@pytest.fixture(scope='module')
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from nasvit_mm.demo_data import write_coco

    root = tmp_path_factory.mktemp('detect') / 'coco'
    write_coco(root, 8, 3, height=96, width=128, progress=False)
    return root


def options(data: Path, epochs: int = 2, *more: str) -> list[str]:
    annotations = f'{data}/annotations/instances_val2017.json'
    return [
        '--cfg-options',
        f'train_cfg.max_epochs={epochs}',
        'train_cfg.val_interval=1',
        'train_dataloader.batch_size=2',
        f'val_evaluator.ann_file={annotations}',
        f'test_evaluator.ann_file={annotations}',
        'default_hooks.checkpoint.interval=1',
        'param_scheduler.0.end=1',
        'param_scheduler.0.start_factor=1.0',
        f'param_scheduler.1.end={epochs}',
        'model.test_cfg.score_thr=0.001',
        *[
            f'{loader}.{key}'
            for loader in LOADERS
            for key in (f'dataset.data_root={data}', 'num_workers=0', 'persistent_workers=False')
        ],
        *more,
    ]


def small(*more: str) -> list[str]:
    """COCO's config over pictures of its own size: an 800 x 1344 step takes minutes on a CPU."""
    sizes = [
        f'{loader}.dataset.pipeline.{i}.scale=(128,96)' for loader, i in zip(LOADERS, (3, 1, 1))
    ]
    return [
        'model.backbone.arch=nasvit_min',
        'model.neck.in_channels=[24,32,64,160]',
        *sizes,
        *more,
    ]


@pytest.fixture(scope='module')
def trained(
    data: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, subprocess.CompletedProcess[str]]:
    work_dir = tmp_path_factory.mktemp('work_dir')
    return work_dir, start('train', RETINANET, '--work-dir', work_dir, *options(data))


def detections(folder: Path) -> list[dict]:
    return json.loads((folder / 'detections.bbox.json').read_text())


@pytest.mark.slow
class TestRuns:
    def test_train_and_test(self, trained: tuple, data: Path, tmp_path: Path) -> None:
        work_dir, run = trained
        assert run.returncode == 0, run.stderr[-3000:]
        checkpoint = work_dir / 'epoch_2.pth'
        again = start(
            'test',
            RETINANET,
            checkpoint,
            '--work-dir',
            tmp_path,
            '--show-dir',
            tmp_path / 'shown',
            '--out',
            tmp_path / 'found',
            *options(data),
        )
        assert again.returncode == 0, again.stderr[-3000:]
        assert len(list((tmp_path / 'shown/vis_data/vis_image').glob('*.png'))) == 3
        assert {d['category_id'] for d in detections(tmp_path / 'found')} <= {1, 3, 6, 9}
        figures = [
            re.findall(
                r'coco/(\w+): ([-\d.]+)',
                [
                    line
                    for line in output.splitlines()
                    if re.search(r'Epoch\((val|test)', line) and 'coco/bbox_mAP' in line
                ][-1],
            )
            for output in (run.stdout, again.stdout)
        ]
        assert figures[0] == figures[1] and len(figures[0]) == 6

    @pytest.mark.nightly  # tests of the segmentor and of the seeding hold what is shared
    def test_killed_and_resumed(self, data: Path, tmp_path: Path) -> None:
        """Bit-equal to the uninterrupted run, with another number of workers."""
        whole = start('train', RETINANET, '--work-dir', tmp_path / 'whole', *options(data, 3))
        assert whole.returncode == 0, whole.stderr[-3000:]
        broken = tmp_path / 'broken'
        process = begin(
            'train',
            RETINANET,
            '--work-dir',
            broken,
            *options(data, 3, 'train_dataloader.num_workers=1'),
        )
        patience = time.monotonic() + 300
        while not (broken / 'epoch_1.pth').exists():
            assert process.poll() is None and time.monotonic() < patience
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert not (broken / 'epoch_3.pth').exists(), 'it was too quick to be killed'
        run = start('train', RETINANET, '--work-dir', broken, '--resume', *options(data, 3))
        assert run.returncode == 0, run.stderr[-3000:]
        ours, theirs, first = (
            torch.load(path, weights_only=False)['state_dict']
            for path in (
                broken / 'epoch_3.pth',
                tmp_path / 'whole/epoch_3.pth',
                tmp_path / 'whole/epoch_1.pth',
            )
        )
        assert [k for k in ours if not torch.equal(ours[k], theirs[k])] == []
        assert not torch.equal(
            first['bbox_head.retina_cls.weight'], ours['bbox_head.retina_cls.weight']
        ), 'it learned nothing'

    @pytest.mark.nightly  # tests of the segmentor and of the seeding hold what is shared
    def test_two_processes(self, data: Path, tmp_path: Path) -> None:
        """What validation finds in training is what a test of the checkpoint finds, by one process
        or two: the statistics of batch norms are those of the first.
        """
        run = start(
            'tools/dist_train.sh',
            RETINANET,
            2,
            '--work-dir',
            tmp_path,
            *options(data, 1, f'val_evaluator.outfile_prefix={tmp_path}/training'),
        )
        assert run.returncode == 0, run.stderr[-3000:]
        found = []
        for name, tool, processes in (('two', 'tools/dist_test.sh', [2]), ('one', 'test', [])):
            done = start(
                tool,
                RETINANET,
                tmp_path / 'epoch_1.pth',
                *processes,
                '--work-dir',
                tmp_path / name,
                '--out',
                tmp_path / name,
                *options(data),
            )
            assert done.returncode == 0, done.stderr[-3000:]
            found.append(detections(tmp_path / name))
        key = 'image_id', 'category_id', 'score'
        first, second = (sorted(f, key=lambda d: [d[k] for k in key]) for f in found)
        assert first == second and len(first) > 0
        during = json.loads((tmp_path / 'training.bbox.json').read_text())
        assert sorted(during, key=lambda d: [d[k] for k in key]) == first

    def test_mask_rcnn(self, data: Path, tmp_path: Path) -> None:
        """COCO's own config but for sizes and lengths: the data has all its categories."""
        run = start(
            'train',
            MASK,
            '--work-dir',
            tmp_path,
            '--fit-schedule',
            *options(
                data,
                1,
                *small('optim_wrapper.optimizer.lr=0.001', 'model.test_cfg.rcnn.score_thr=0.0'),
            ),
        )
        assert run.returncode == 0, run.stderr[-3000:]
        assert 'segm_mAP' in run.stdout and 'loss_mask' in run.stdout

    def test_image_demo(self, trained: tuple, data: Path, tmp_path: Path) -> None:
        run = start(
            'demo/image_demo.py',
            data / 'val2017',
            RETINANET,
            '--weights',
            trained[0] / 'epoch_2.pth',
            '--out-dir',
            tmp_path,
            '--score',
            '0.01',
        )
        assert run.returncode == 0, run.stderr[-3000:]
        assert len(list((tmp_path / 'vis').iterdir())) == 3
        found = [json.loads(path.read_text()) for path in (tmp_path / 'preds').iterdir()]
        assert len(found) == 3 and all('bboxes' in f for f in found)

    def test_class_names_of_the_demo(self) -> None:
        """Those of the config: weights alone say nothing, and COCO's would be written."""
        for path, names in (
            (RETINANET, ('person', 'car')),
            ('configs/det/nasvit_bccd.py', ('RBC', 'WBC', 'Platelets')),
        ):
            cfg = Config.fromfile(ROOT / path)
            init_default_scope(cfg.default_scope)
            __import__('mmdet.datasets')
            assert tuple(class_names(cfg)['classes'])[: len(names)] == names

    def test_costs_and_latency_of_a_detector(self) -> None:
        run = start('get_flops', RETINANET, '--json')
        assert run.returncode == 0, run.stderr[-3000:]
        assert json.loads(run.stdout.splitlines()[-1])['input_size'] == [192, 288]
        run = start('benchmark', RETINANET, '--backends', 'pytorch', '--rounds', 1, '--json')
        assert run.returncode == 0, run.stderr[-3000:]
        assert json.loads(run.stdout.splitlines()[-1])['backends']['pytorch']['median_ms'] > 0

    @pytest.mark.parametrize(
        ('change', 'message'),
        [
            (
                'train_dataloader.dataset.metainfo.classes=[person,Car,bus,boat]',
                'has no category Car, a class of the train data set',
            ),
            (
                'train_dataloader.dataset.metainfo.classes=[car,person,bus,boat]',
                'in another order than in',
            ),
            ('model.bbox_head.num_classes=3', 'has 4 classes, the head num_classes=3'),
        ],
    )
    def test_classes_that_do_not_fit(
        self, change: str, message: str, data: Path, tmp_path: Path
    ) -> None:
        run = start('train', RETINANET, '--work-dir', tmp_path, *options(data, 1, change))
        assert message in error_line(run.returncode, run.stderr)

    def test_a_picture_is_missing(self, tmp_path: Path) -> None:
        from nasvit_mm.demo_data import write_coco

        write_coco(tmp_path / 'data', 3, 2, height=64, width=64, progress=False)
        (tmp_path / 'data/val2017/000000000002.jpg').unlink()
        run = start('train', RETINANET, '--work-dir', tmp_path / 'w', *options(tmp_path / 'data'))
        message = error_line(run.returncode, run.stderr)
        assert '000000000002.jpg does not exist, though the annotations' in message


def test_annotations_that_are_missing(data: Path, tmp_path: Path) -> None:
    run = start(
        'train',
        RETINANET,
        '--work-dir',
        tmp_path,
        *options(data, 1, f'val_evaluator.ann_file={tmp_path}/none.json'),
    )
    message = error_line(run.returncode, run.stderr)
    assert 'none.json' in message and 'val_evaluator.ann_file' in message
    run = start('train', RETINANET, '--work-dir', tmp_path, *options(tmp_path / 'absent'))
    assert str(tmp_path / 'absent') in error_line(run.returncode, run.stderr)


@pytest.mark.nightly
@pytest.mark.slow
def test_an_exported_backbone_trains(data: Path, tmp_path: Path) -> None:
    """Out of a supernet into a detector: its config runs in a fresh process."""
    from mmengine.config import Config

    from nasvit_mm import get_space
    from nasvit_mm.classification import ImageClassifier
    from nasvit_mm.data import seed_everything
    from nasvit_mm.dense import SearchedModel
    from nasvit_mm.search import export_subnet
    from tests.commands import ROOT

    seed_everything(0)
    cfg = Config.fromfile(ROOT / RETINANET)
    pairs = [option.split('=', 1) for option in options(data, 1)[1:]]
    cfg.merge_from_dict(
        {
            k: int(v) if v.isdigit() else v
            for k, v in pairs
            if '.' in k and k.split('.')[-1] in ('data_root', 'ann_file', 'num_workers')
        }
    )
    cfg.merge_from_dict({f'{loader}.persistent_workers': False for loader in LOADERS})
    task = SearchedModel(cfg, get_space('nasvit'))
    done = export_subnet(
        tmp_path,
        task,
        task.space.sample(0, 1)[0],
        (192, 288),
        ImageClassifier('nasvit', num_classes=3),
        num_calibration=1,
    )
    assert done.calibrated and 'RetinaHead' in (tmp_path / 'README.md').read_text()
    run = start(
        'train',
        tmp_path / 'config.py',
        '--fit-schedule',
        '--cfg-options',
        'train_cfg.max_epochs=1',
        'train_cfg.val_interval=1',
    )
    assert run.returncode == 0, run.stderr[-3000:]
    assert 'loaded from' in run.stdout and (tmp_path / 'train/epoch_1.pth').is_file()


@pytest.mark.nightly
@pytest.mark.timeout(1500)  # it was seen to take 400 s on busy cores
def test_it_learns(tmp_path: Path) -> None:
    """Three quarters of the demo's schedule: far from what chance would find."""
    from nasvit_mm.demo_data import write_coco

    write_coco(tmp_path / 'coco', progress=False)
    found = options(tmp_path / 'coco', 12)
    keep = [
        o
        for o in found
        if not o.startswith(
            ('param_scheduler.0', 'train_dataloader.batch', 'train_cfg.val', 'model.')
        )
    ]
    run = start(
        'train', RETINANET, '--work-dir', tmp_path / 'w', *keep, 'train_cfg.val_interval=12'
    )
    assert run.returncode == 0, run.stderr[-3000:]
    assert float(re.findall(r'coco/bbox_mAP_50: ([\d.]+)', run.stdout)[-1]) > 0.08
