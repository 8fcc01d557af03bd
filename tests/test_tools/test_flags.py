"""Every flag of every command is run once.

`RUNS` is the list of what is run; a flag that no run gives fails `test_every_flag_is_in_a_run`.
"""

from __future__ import annotations

import argparse
import re
import sys
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import pytest
import timm
import torch
from PIL import Image

from nasvit_mm.checkpoints import save_weights
from nasvit_mm.classification import ImageClassifier
from nasvit_mm.cli import COMMANDS
from nasvit_mm.cli.common import run
from nasvit_mm.demo_data import write_ade20k
from nasvit_mm.spaces import get_space
from tests.commands import CONFIG, ROOT, options
from tests.families import small
from tests.test_deploy.test_kit import FEW
from tests.test_own_data import drawn

SEARCH = """
space = {space!r}
task = {task!r}
input_size = (64, 64)
objectives = ['macs', dict(metric='params', goal='max')]
algorithm = dict(type='random', population=4, generations=2)
"""
GPU = torch.cuda.is_available()


class Run(NamedTuple):
    """A command line, and a pattern of what it says; `code` None: as the machine is.

    In arguments {data}, {own} (a user's), {trained} (an iter_2.pth), {search} (its config),
    {supernet}, {timm}, {image} and {out} (a folder of the run) are filled in; TINY stands for what
    makes a run short.
    """

    command: str
    arguments: str
    said: str
    code: int | None = 0


RUNS = (
    Run(
        'new',
        '{own} --task seg --layout folders --classes sky,grass,cup --out {out}/task --force '
        '--debug',
        r'class numbers \(0, 1, 2\)',
    ),
    Run('new', '{own} --task seg --images images --masks masks --out {out}/task', r'two folders'),
    Run('new', '{own} --task det --coco boxes.json --out {out}/task', r'COCO, boxes\.json'),
    Run(
        'auto',
        '{own} --task seg --layout folders --classes sky,grass,cup --macs 1K --runtime torch '
        '--precision fp32 --hours 0.001 --threads 1 --work-dir {out} --pretrained {supernet} '
        '--debug',
        r'no architecture of nasvit has macs at most 1000',
        2,
    ),
    Run(
        'auto',
        '{own} --task cls --images images --masks masks --coco boxes.json --latency 1ms',
        r'give --macs for a classifier',
        2,
    ),
    Run('data', 'cityscapes --root {out} --keep --debug', r'register at https', 2),
    Run(
        'train',
        '{config} --work-dir {out} --skip-data-check --fit-schedule --launcher none --local_rank 0 '
        '--debug TINY',
        r'Saving checkpoint at 2 iterations',
    ),
    Run(
        'train',
        '{config} --work-dir {done} --resume --auto-scale-lr TINY',
        r'LR is set based on batch size',
    ),
    Run(
        'train',
        '{config} --work-dir {out} --pretrained {supernet} TINY',
        r'sliced out of its supernet',
    ),
    Run('train', '{config} --work-dir {out} --amp TINY', r'' if GPU else '--amp needs a GPU', None),
    Run('train', '{config} --work-dir {out} --tensorboard TINY', r'tensorboard|Saving', None),
    Run(
        'test',
        '{config} {trained} --work-dir {out} --out {out}/maps --show --show-dir {out}/shown '
        '--wait-time 0 --skip-data-check --launcher none --local_rank 0 --debug TINY',
        r'mIoU',
    ),
    Run('test', '{config} {trained} --work-dir {out} --tta TINY', r'mIoU'),
    Run(
        'search',
        '{search} --work-dir {out} --workers 1 --time-limit 600 --skip-data-check --launcher none '
        '--local_rank 0 --debug --cfg-options algorithm.generations=1',
        r'report\.html',
    ),
    Run('search', '{search} --work-dir {found} --resume', r'8 candidates are in'),
    Run('search', '{search} --work-dir {out} --tensorboard', r'tensorboard|takes candidate', None),
    Run('search', '{search} --work-dir {out} --dask nowhere', r'--dask', 2),
    Run('search', '{search} --from {found} --low macs=1 --high params=1e9', r'the bounds leave'),
    Run('search', '{search} --advise --workers 2', r'--workers is of a search, and --advise', 2),
    Run('search', '{search} --work-dir {out} --advise 4', r'--advise: all objectives are costs', 2),
    Run('search', '{search} --from {found} --extend --work-dir {out}', r'report\.html'),
    Run(
        'export',
        '{search} --work-dir {found} --candidate 0 --out {out}/e --from-scratch --shape 64 96 '
        '--force --debug --cfg-options seed=0',
        r'tools/train\.py .*/e/config\.py',
    ),
    Run('export', '{search} --work-dir {found} --best params --from-scratch', r'export_\d'),
    Run(
        'export',
        '{search} --work-dir {out} --arch smallest --checkpoint {supernet} --num-calibration 0 '
        '--phase 0 --skip-data-check',
        r'export_smallest/weights\.pth',
    ),
    Run(
        'deploy',
        '{config} {trained} --to openvino --out {out}/a --shape 64 96 --int8 --calibrate 2 '
        '--keep-float __module.none --force --debug TINY',
        r'__module\.none',
        2,
    ),
    Run(
        'deploy',
        '{config} {trained} --to onnx --out {out}/a --shape 64 96 --batch 0 --logits '
        '--cfg-options model.decode_head.dropout_ratio=0',
        r'largest difference: \d',
    ),
    Run('deploy', '{config} {trained} --to onnx --out {out}/a --bf16', r'fp32, int8, not bf16', 2),
    Run(
        'deploy',
        '{config} {trained} --to onnx --out {out}/a --shape 64 96 --dynamic',
        r'attention of NASViT is laid out for one size',
        2,
    ),
    Run(
        'deploy',
        '{config} {trained} --to onnx --out {out}/a --max-drop 1',
        r'--max-drop is of the metric of an int8 artefact: --int8',
        2,
    ),
    Run(
        'convert',
        'vitas_twins {timm} {out}/twins.pth --arch twins_svt_small --phase 0 --debug',
        r'24\.06 M numbers',
    ),
    Run(
        'make-supernet',
        '{trained} --space nasvit --out {out}/supernet.pth --phase 0 --keep-order --share 0.5 '
        '--debug',
        r'Its head is left out',
    ),
    Run(
        'make-supernet',
        "{timm} --space dict(space='vitas_twins',restrict=dict(width=[[64],[128],[256],[512]])) "
        '--arch twins_svt_small --sharing ordinal --out {out}/supernet.pth',
        r'is in the supernet as vitas_twins:',
    ),
    Run(
        'flops',
        'configs/supernet/nasvit_ade20k_supernet.py --shape 64 --arch smallest --json --debug '
        '--cfg-options model.model.decode_head.channels=32',
        r'"total_macs": \d',
    ),
    Run(
        'benchmark',
        '{config} --checkpoint {trained} --shape 64 96 --batch-size 2 --device cpu --threads 1 '
        '--backends pytorch onnxruntime --rounds 1 --channels-last --onnx {out}/x.onnx --json '
        '--debug --cfg-options model.decode_head.dropout_ratio=0',
        r'"onnxruntime": \{"median_ms"',
    ),
    Run('benchmark', '{config} --half --device cuda', r'' if GPU else r'no GPU', None),
    Run(
        'benchmark',
        '{search} --shape 64 64 --build-table {out}/table.json --networks 1 --rounds 1',
        r'table\.json: \d+ blocks of nasvit',
    ),
    Run(
        'benchmark',
        '{few} --write-kit {out}/kit --runtime onnx --precision fp32 --networks 1',
        r'kit: copy it to the device',
    ),
    Run(
        'benchmark',
        '{few} --build-table {out}/table.json --read-times {out}/times.json',
        r'times\.json holds no times of a kit',
        2,
    ),
    Run(
        'image-demo',
        '{image} {config} --weights {trained} --out-dir {out} --device cpu --opacity 0.5 '
        '--with-labels --score 0.3 --show --debug --cfg-options work_dir=x',
        r'label maps: .*pred',
    ),
    Run('demo', '--quick --work-dir {out} --images 1 --debug', r'mIoU .* on 30 validation images'),
    Run(
        'demo-data',
        '--layout coco --out {out}/coco --num-train 1 --num-val 1 --height 32 --width 48 --seed 1 '
        '--debug',
        r'in the layout of coco, 32 x 48',
    ),
    Run('doctor', '--json', r'"segmentation"', None),
)


def actions(command: str) -> list[argparse.Action]:
    """The flags of a command, as its parser has them."""
    found: list[argparse.ArgumentParser] = []
    parse = argparse.ArgumentParser.parse_args

    def stop(self: argparse.ArgumentParser, *_: object) -> None:
        found.append(self)
        raise KeyboardInterrupt

    argparse.ArgumentParser.parse_args = stop
    try:
        import_module(COMMANDS[command][0]).main([])
    except KeyboardInterrupt:
        pass
    finally:
        argparse.ArgumentParser.parse_args = parse
    (parser,) = found
    return [a for a in parser._actions if a.option_strings and a.dest != 'help']


@pytest.mark.parametrize('command', COMMANDS)
def test_every_flag_is_in_a_run(command: str) -> None:
    given = {word for r in RUNS if r.command == command for word in r.arguments.split()}
    given |= {'--cfg-options'} if any('TINY' in r.arguments for r in RUNS) else set()
    lacking = [a.option_strings for a in actions(command) if not given & set(a.option_strings)]
    assert not lacking, 'flags that no run in RUNS gives'


@pytest.fixture(scope='module')
def places(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What the runs read."""
    folder = tmp_path_factory.mktemp('flags')
    write_ade20k(folder / 'data', 3, 2, height=64, width=64, progress=False)
    for name, space in (('search', get_space('nasvit')), ('few', FEW)):
        text = SEARCH.format(task=str(ROOT / CONFIG), space=space.to_dict())
        (folder / f'{name}.py').write_text(text)
    torch.manual_seed(0)
    net = ImageClassifier(small('nasvit').to_dict(), num_classes=2)
    save_weights(folder / 'supernet.pth', net.state_dict(), small('nasvit'), None)
    torch.save(timm.create_model('twins_svt_small').state_dict(), folder / 'timm.pth')
    Image.new('RGB', (64, 48)).save(folder / 'image.png')
    drawn.coco(drawn.folders(folder / 'own'))
    found = dict(
        config=CONFIG,
        data=folder / 'data',
        own=folder / 'own',
        done=folder / 'done',
        trained=folder / 'done/iter_2.pth',
        found=folder / 'found',
    )
    found.update({name: folder / name for name in ('search', 'few', 'supernet', 'timm', 'image')})
    suffixes = dict(search='.py', few='.py', supernet='.pth', timm='.pth', image='.png')
    return {k: f'{v}{suffixes.get(k, "")}' for k, v in found.items()}


@pytest.fixture
def call(places: dict[str, str], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture):
    """Run a command in this process: exit code, and all that it said."""
    monkeypatch.chdir(ROOT)
    monkeypatch.delenv('RANK', raising=False)
    for variable, value in (('LOCAL_RANK', '0'), ('NASVIT_MM_DEBUG', '0'), ('COLUMNS', '300')):
        monkeypatch.setenv(variable, value)
    monkeypatch.setattr('nasvit_mm.cli.latency.UNSEEN', 1)
    monkeypatch.setattr('mmengine.visualization.Visualizer.show', lambda *_, **__: None)

    def start(command: str, arguments: str, out: Path) -> tuple[int, str]:
        text = arguments.replace('TINY', ' '.join(options(Path(places['data']), 2)))
        argv = [word.format(**places, out=out) for word in text.split(' ') if word]
        monkeypatch.setattr(sys, 'argv', [f'nasvit-mm {command}'])
        module, code = import_module(COMMANDS[command][0]), 0
        try:
            run(lambda: module.main(argv))
        except SystemExit as stop:
            code = stop.code
        said = capfd.readouterr()
        return code, said.out + said.err

    for name, command, arguments in (
        ('trained', 'train', '{config} --work-dir {done} TINY'),
        ('found', 'search', '{search} --work-dir {found}'),
    ):
        if not Path(places[name]).exists():
            assert start(command, arguments, Path())[0] == 0
    return start


@pytest.mark.slow
@pytest.mark.timeout(1800)  # the demo, on a busy machine
@pytest.mark.parametrize('each', RUNS, ids=lambda r: f'{r.command}: {r.said}')
def test_a_run(each: Run, call, tmp_path: Path) -> None:
    code, said = call(each.command, each.arguments, tmp_path)
    assert re.search(each.said, said), said[-3000:]
    assert each.code is None or code == each.code, said[-3000:]
