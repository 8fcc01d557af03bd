"""Tar shards are read by index: resumed exactly, and what is missing or cut is named."""

from __future__ import annotations

import itertools
import os
import tarfile
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from nasvit_mm.data import ImageFolder, SeededInfiniteSampler, TarShards
from nasvit_mm.data import shards as module
from nasvit_mm.errors import DataError

TRANSFORM = dict(input_size=16, is_training=True, color_jitter=0.4, normalize=False)
SHARDS, IMAGES = 3, 4  # of each


def write_shard(path: Path, files: dict[str, bytes]) -> None:
    with tarfile.open(path, 'w') as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, BytesIO(content))


def files_of(shard: int) -> dict[str, bytes]:
    """Images of shard and place, of two classes."""
    rng, out = np.random.default_rng(shard), {}
    for i in range(IMAGES):
        file = BytesIO()
        Image.fromarray(rng.integers(0, 256, (20, 24, 3), dtype=np.uint8)).save(file, 'JPEG')
        out |= {f'a/{shard}-{i}.jpg': file.getvalue(), f'a/{shard}-{i}.cls': b'%d' % (i % 2)}
    return out


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / 'train').mkdir()
    for shard in range(SHARDS):
        write_shard(tmp_path / 'train' / f'images-{shard:02}.tar', files_of(shard))
    return tmp_path


def shards(root: Path, **options) -> TarShards:
    return TarShards(str(root), 'train', TRANSFORM, **options)


def test_images_and_classes_are_those_of_the_files(root, tmp_path):
    data = shards(root)
    assert len(data) == SHARDS * IMAGES
    written = [files_of(shard) for shard in range(SHARDS)]
    images = [
        (content, int(files[name.replace('jpg', 'cls')]))
        for files in written
        for name, content in files.items()
        if name.endswith('jpg')
    ]
    assert [data.encoded(i) for i in range(len(data))] == images
    # The same image out of a folder.
    folder = tmp_path / 'folder' / 'train' / 'x'
    folder.mkdir(parents=True)
    (folder / '0.jpg').write_bytes(images[5][0])
    loose = ImageFolder(str(tmp_path / 'folder'), 'train', dict(TRANSFORM, is_training=False))
    data = TarShards(str(root), 'train', dict(TRANSFORM, is_training=False))
    assert torch.equal(data[5]['inputs'], loose[0]['inputs'])


def batches(data: TarShards, workers: int, start: int, number: int) -> list[dict]:
    sampler = SeededInfiniteSampler(data, seed=0)
    sampler.skip(2 * start)
    loader = DataLoader(data, 2, sampler=sampler, num_workers=workers)
    return list(itertools.islice(loader, number))


def test_a_resumed_run_reads_the_same_images(root):
    whole = batches(shards(root), 0, 0, 9)
    resumed = batches(shards(root), 2, 5, 4)
    for there, then in zip(whole[5:], resumed, strict=True):
        assert torch.equal(there['inputs'], then['inputs'])
        assert torch.equal(there['labels'], then['labels'])


def test_headers_are_read_once(root, monkeypatch):
    expected, read = shards(root).images, []
    members = module._members
    monkeypatch.setattr(module, '_members', lambda shard: read.append(shard) or members(shard))
    found = shards(root).images
    assert not read and all(np.array_equal(a, b) for a, b in zip(expected, found))
    changed = root / 'train' / 'images-01.tar'
    write_shard(changed, files_of(7))
    os.utime(changed, (0, 0))
    assert shards(root).encoded(IMAGES) == (files_of(7)['a/7-0.jpg'], 0) and read == [changed]


def test_a_damaged_index_is_made_anew(root):
    expected = shards(root).images
    (root / 'train' / 'index.npz').write_bytes(b'PK\x03\x04 of a zip file')
    assert all(map(np.array_equal, expected, shards(root).images))


def test_the_index_forgets_what_a_shard_was(root):
    changed = root / 'train' / 'with spaces.tar'
    write_shard(changed, files_of(7))
    shards(root, shards='with*.tar')
    os.utime(changed, (0, 0))
    shards(root, shards='with*.tar')
    with np.load(root / 'train' / 'index.npz') as index:
        assert len(index) == 1


def test_held_out_images(root):
    held, rest = (shards(root, num_per_class=n).images.offset for n in (2, -2))
    assert (len(held), len(rest)) == (4, 8)


def cut(path: Path, more: int) -> None:
    """Cut a shard so many bytes after the end of its first image and class."""
    with tarfile.open(path) as tar:
        end = tar.getmembers()[2].offset
    os.truncate(path, end + more)


@pytest.mark.parametrize(
    ('break_it', 'message'),
    [
        (lambda p: p.unlink(), 'images-01.tar; fetch them'),
        (lambda p: cut(p, 700), 'images-01.tar is cut or damaged'),
        (lambda p: cut(p, 0), 'images-01.tar is cut or damaged'),
        (lambda p: p.write_bytes(b''), 'images-01.tar is cut or damaged'),
        (lambda p: write_shard(p, {'a.jpg': b''}), 'images-01.tar lacks .* of a: expected'),
        (lambda p: write_shard(p, {'a.txt': b''}), 'images-01.tar holds no images'),
        (lambda p: write_shard(p, {'a.cls': b'cat'}), 'a.cls in the shard .* no whole number'),
    ],
)
def test_a_broken_shard_is_named(root, break_it, message):
    break_it(root / 'train' / 'images-01.tar')
    with pytest.raises(DataError, match=message):
        shards(root)


def test_a_shard_that_is_cut_later_is_named(root):
    data = shards(root)
    os.truncate(root / 'train' / 'images-02.tar', 600)
    with pytest.raises(DataError, match='the image at byte .*images-02.tar cannot be read'):
        data[len(data) - 1]


def test_names(root):
    with pytest.raises(DataError, match='1 of 4 shards are missing .*: images-03.tar'):
        shards(root, shards='images-{00..03}.tar')
    assert len(shards(root, shards='images-{01..02}.tar')) == 2 * IMAGES
    with pytest.raises(DataError, match=r'there are no shards x\*.tar'):
        shards(root, shards='x*.tar')
    with pytest.raises(DataError, match='is of class 1, and classes has 1 names'):
        shards(root, classes=['cat'])


def test_shards_that_no_index_can_stand_beside(root, monkeypatch):
    def refuse(path):
        raise module.WriteError('read-only')

    monkeypatch.setattr(module, 'replacing', refuse)
    assert len(shards(root)) == SHARDS * IMAGES
