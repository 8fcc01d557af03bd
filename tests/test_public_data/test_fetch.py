"""Public data sets out of archives as their sources have them, drawn small."""

from __future__ import annotations

import io
import re
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from PIL import Image

import nasvit_mm.compat  # noqa: F401 (before mmseg)
from nasvit_mm.cli.data import main
from nasvit_mm.data import FETCHED, ImageFolder, check_data
from nasvit_mm.errors import UsageError
from nasvit_mm.public_data import SETS, by_hand, download, fetch
from tests.commands import ROOT
from tests.test_own_data.drawn import scene
from tests.test_public_data.server import serving


def png(pixels: np.ndarray, kind: str = 'PNG') -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, kind)
    return out.getvalue()


def camvid() -> dict[str, bytes]:
    out = {}
    for i, split in enumerate(('train', 'train', 'val', 'test')):
        image, labels, _ = scene(i)
        out[f'SegNet-bb68/CamVid/{split}/{i}.png'] = png(image)
        out[f'SegNet-bb68/CamVid/{split}annot/{i}.png'] = png(np.where(labels == 2, 11, labels))
    return out


def bccd() -> dict[str, bytes]:
    out = {}
    for i, split in enumerate(('train', 'train', 'val', 'test')):
        image, _, (x, y, w, h) = scene(i)
        out[f'BCCD-d272/BCCD/JPEGImages/{i}.jpg'] = png(image, 'JPEG')
        out[f'BCCD-d272/BCCD/Annotations/{i}.xml'] = (
            f'<annotation><object><name>WBC</name><bndbox><xmin>{x}</xmin><ymin>{y}</ymin>'
            f'<xmax>{x + w}</xmax><ymax>{y + h}</ymax></bndbox></object></annotation>'
        ).encode()
        name = f'BCCD-d272/BCCD/ImageSets/Main/{split}.txt'
        out[name] = out.get(name, b'') + f'{i}\n'.encode()
    return out


def cifar10() -> dict[str, bytes]:
    rows = np.arange(10 * 3073).reshape(10, 3073) % 251
    rows[:, 0] = np.arange(10)
    content = rows.astype(np.uint8).tobytes()
    top = 'cifar-10-batches-bin'
    return {f'{top}/data_batch_1.bin': content, f'{top}/test_batch.bin': content}


def tiny_imagenet20() -> dict[str, bytes]:
    top, names = 'tiny-imagenet-200', [f'n{i:08d}' for i in range(20)]
    out = {f'{top}/wnids.txt': '\n'.join(names).encode()}
    lines = []
    for i, name in enumerate(names):
        image = png(scene(i)[0], 'JPEG')
        out[f'{top}/train/{name}/images/{name}_0.JPEG'] = image
        out[f'{top}/val/images/val_{i}.JPEG'] = image
        lines.append(f'val_{i}.JPEG\t{name}\t0\t0\t1\t1')
    out[f'{top}/val/val_annotations.txt'] = '\n'.join(lines).encode()
    return out


ARCHIVES = {
    'camvid': (camvid, 'camvid', {'img_dir': 4, 'ann_dir': 4}),
    'bccd': (bccd, 'bccd', {'images': 4, 'annotations': 3}),
    'cifar10': (cifar10, 'cifar10', {'train': 10, 'val': 10}),
    'tiny_imagenet20': (tiny_imagenet20, 'tiny_imagenet20', {'train': 2, 'val': 2}),
}


def pack(path: Path, files: dict[str, bytes]) -> None:
    if path.suffix == '.zip':
        with zipfile.ZipFile(path, 'w') as archive:
            for name, content in files.items():
                archive.writestr(name, content)
        return
    with tarfile.open(path, 'w:gz') as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Have a data set come from a server of this machine, and from nowhere else."""
    monkeypatch.setattr(download, 'PAUSE', 0)
    (tmp_path / 'served').mkdir()
    with serving(tmp_path / 'served') as server:

        def serve(name: str, digest: str | None = None) -> None:
            (archive,) = SETS[name].archives
            pack(tmp_path / 'served' / archive.name, ARCHIVES[name][0]())
            here = replace(archive, url=f'{server.url}/{archive.name}', checksum=None)
            monkeypatch.setitem(SETS, name, replace(SETS[name], archives=(here,), digest=digest))

        yield serve


@pytest.mark.parametrize('name', ARCHIVES)
def test_a_set_is_laid_out(name: str, tmp_path: Path, served) -> None:
    served(name)
    folder = fetch(name, tmp_path, say=str)
    assert folder == tmp_path / FETCHED[name]
    counts = {
        inner: sum(p.is_file() for p in (folder / inner).rglob('*')) for inner in ARCHIVES[name][2]
    }
    assert counts == ARCHIVES[name][2]
    assert not any(path.is_symlink() for path in folder.rglob('*'))
    assert not list((tmp_path / 'data/downloads').iterdir())
    said: list[str] = []
    fetch(name, tmp_path, say=said.append)
    assert said == [f'{folder} is there already']


def test_labels_of_camvid(tmp_path: Path, served) -> None:
    served('camvid')
    folder = fetch('camvid', tmp_path, say=str)
    labels = np.array(Image.open(folder / 'ann_dir/val/2.png'))
    assert np.array_equal(labels, np.where(scene(2)[1] == 2, 255, scene(2)[1]))


def test_other_content_than_it_should_be(tmp_path: Path, served) -> None:
    served('camvid', digest='0' * 64)
    with pytest.raises(UsageError, match='camvid holds other files than it should'):
        fetch('camvid', tmp_path, say=str)
    assert not (tmp_path / 'data/camvid').exists()


def test_what_the_user_has_is_left_alone(tmp_path: Path, served) -> None:
    served('camvid')
    (tmp_path / 'data/camvid/img_dir').mkdir(parents=True)
    with pytest.raises(UsageError, match='holds img_dir, which this command has not written'):
        fetch('camvid', tmp_path, say=str)


def test_without_a_network_the_commands_are_said(
    tmp_path: Path, served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the file that they fetch is taken."""
    served('bccd')
    (archive,) = SETS['bccd'].archives
    gone = replace(archive, url='http://127.0.0.1:9/x')
    monkeypatch.setitem(SETS, 'bccd', replace(SETS['bccd'], archives=(gone,)))
    with pytest.raises(UsageError) as error:
        fetch('bccd', tmp_path, say=str)
    (target,) = re.findall(r'wget -c http://127.0.0.1:9/x -O (\S+)', str(error.value))
    assert 'nasvit-mm data bccd' in str(error.value)
    (made,) = re.findall(r'mkdir -p (\S+)', str(error.value))
    Path(made).mkdir(parents=True, exist_ok=True)
    (tmp_path / 'served' / archive.name).rename(target)
    assert (fetch('bccd', tmp_path, say=str) / 'annotations/val.json').is_file()


def test_a_login_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match='without a login: register at https://www.cityscapes'):
        fetch('cityscapes', tmp_path, say=str)


def test_the_list(capsys: pytest.CaptureFixture) -> None:
    main([])
    out = capsys.readouterr().out
    assert all(f'{name}\n' in out and about.terms in out for name, about in SETS.items())


def test_an_unknown_name(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r'did you mean camvid\?'):
        fetch('camvdi', tmp_path)


def test_every_set_has_a_place_and_commands_that_end_with_it() -> None:
    assert set(SETS) == set(FETCHED)
    for name, about in SETS.items():
        assert by_hand(name).count('wget -c ') == len(about.archives)
        assert bool(about.archives) != bool(about.by_hand)
        assert about.digest or all(archive.checksum for archive in about.archives)


@pytest.mark.parametrize(
    'config, name',
    [
        ('seg/nasvit_camvid.py', 'camvid'),
        ('det/nasvit_bccd.py', 'bccd'),
        ('seg/nasvit_ade20k.py', 'ade20k'),
        ('seg/nasvit_cityscapes.py', 'cityscapes'),
        ('det/nasvit_coco.py', 'coco'),
    ],
)
def test_what_does_not_exist_names_the_command(
    config: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=f'does not exist .*nasvit-mm data {name}'):
        check_data(Config.fromfile(ROOT / 'configs' / config), 'train')


@pytest.mark.parametrize('name', ['cifar10', 'tiny_imagenet20', 'imagenet'])
def test_class_folders_that_do_not_exist_name_the_command(name: str) -> None:
    with pytest.raises(UsageError, match=f'does not exist.*nasvit-mm data {name}'):
        ImageFolder(f'nowhere/data/{name}', 'train', dict(input_size=32))
