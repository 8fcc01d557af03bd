"""Masks are compared with their images, and read as they are."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.registry import init_default_scope
from PIL import Image

import nasvit_mm.compat  # noqa: F401 (before mmseg)
from nasvit_mm.data import (
    PassCache,
    Problems,
    check_files,
    check_masks_without_images,
    keep_wide_labels,
    look_at_label_maps,
)
from nasvit_mm.data.images import files_below
from nasvit_mm.data.pass_cache import ALL_UP_TO, SAMPLE, sample
from nasvit_mm.data.report import with_progress
from nasvit_mm.data.shared_images import SharedImages
from nasvit_mm.errors import DataError

pytest.importorskip('mmseg')
LABELS = np.arange(48, dtype=np.uint8).reshape(6, 8) % 3


def upright(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif.tobytes()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in 'abc':
        (tmp_path / 'img').mkdir(exist_ok=True)
        (tmp_path / 'ann').mkdir(exist_ok=True)
        Image.new('RGB', (8, 6)).save(tmp_path / f'img/{name}.jpg')
        Image.fromarray(LABELS).save(tmp_path / f'ann/{name}.png')
    return tmp_path


def dataset(folder: Path, color_type: str = 'color', backend: str = 'pillow', **kwargs: Any):
    from mmseg.datasets import BaseSegDataset

    init_default_scope('mmseg')
    return BaseSegDataset(
        data_root=str(folder),
        data_prefix=dict(img_path='img', seg_map_path='ann'),
        metainfo=dict(classes=('x', 'y', 'z'), palette=[[0, 0, 0]] * 3),
        pipeline=[
            dict(type='LoadImageFromFile', color_type=color_type),
            dict(type='LoadAnnotations', imdecode_backend=backend),
        ],
        **kwargs,
    )


def look(data: Any, cache: PassCache | None = None):
    problems = Problems()
    check_masks_without_images(data, 'train', problems)
    counts = look_at_label_maps(data, 'train', problems, cache or PassCache(None))
    problems.raise_if_any()
    return counts, problems.warnings


def test_labels_are_counted(folder: Path) -> None:
    counts, warnings = look(dataset(folder))
    assert counts.pixels == {0: 48, 1: 48, 2: 48} and counts.looked == counts.total == 3
    assert not warnings


def palette(labels: np.ndarray) -> Image.Image:
    image = Image.fromarray(labels)
    image.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0])
    return image


@pytest.mark.parametrize(
    ('mask', 'labels'),
    [
        (Image.fromarray(LABELS > 0), {0, 1, 2}),  # 1 bit; the other files hold 0, 1, 2
        (palette(LABELS), {0, 1, 2}),
        (Image.fromarray(LABELS.astype(np.uint16) * 259), {0, 1, 2, 259, 518}),
    ],
    ids=['1bit', 'palette', '16bit'],
)
def test_label_maps_of_other_depths(folder: Path, mask: Image.Image, labels: set[int]) -> None:
    mask.save(folder / 'ann/a.png')
    counts, _ = look(dataset(folder))
    assert set(counts.pixels) == labels


@pytest.mark.parametrize(
    ('mask', 'expected'),
    [
        (Image.fromarray(np.dstack([LABELS] * 3)), r'ann/a.png \(3 channels, mode RGB\)'),
        (Image.fromarray(np.dstack([LABELS] * 4)), r'ann/a.png \(4 channels, mode RGBA\)'),
        (Image.fromarray(LABELS[:4].copy()), r'ann/a.png \(8 x 4\) of .*img/a.jpg \(8 x 6\)'),
    ],
    ids=['rgb', 'rgba', 'short'],
)
def test_masks_that_are_refused(folder: Path, mask: Image.Image, expected: str) -> None:
    mask.save(folder / 'ann/a.png')
    with pytest.raises(DataError, match=expected):
        look(dataset(folder))


def test_lossy_masks_are_refused(folder: Path) -> None:
    Image.fromarray(LABELS).save(folder / 'ann/a.png', format='JPEG')
    with pytest.raises(DataError, match=r'lossy format.*ann/a.png \(JPEG\)'):
        look(dataset(folder))


def test_palettes_are_read_by_pillow_alone(folder: Path) -> None:
    palette(LABELS).save(folder / 'ann/a.png')
    with pytest.raises(DataError, match="mode P.*imdecode_backend='pillow'"):
        look(dataset(folder, backend='cv2'))


def test_a_broken_file_is_named(folder: Path) -> None:
    (folder / 'img/b.jpg').write_bytes(b'no image')
    with pytest.raises(DataError, match=r'cannot be read: .*img/b.jpg'):
        look(dataset(folder))


@pytest.mark.parametrize('name', ['img/b.jpg', 'ann/b.png'])
def test_a_file_of_too_many_pixels_is_named(
    name: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pillow refuses it by an error of its own."""
    Image.new('L', (80, 60)).save(folder / name)
    monkeypatch.setattr(Image, 'MAX_IMAGE_PIXELS', 1000)
    with pytest.raises(DataError, match=rf'cannot be read: .*{name} \(Image size \(4800 pixels\)'):
        look(dataset(folder))


@pytest.mark.parametrize('orientation', [3, 6])
def test_turned_images_are_refused_and_the_remedy_works(folder: Path, orientation: int) -> None:
    Image.new('RGB', (8, 6)).save(folder / 'img/a.jpg', exif=upright(orientation))
    with pytest.raises(DataError, match=rf'img/a.jpg \(orientation {orientation}, read as'):
        look(dataset(folder))
    data = dataset(folder, color_type='color_ignore_orientation')
    look(data)
    assert data[0]['img'].shape[:2] == data[0]['gt_seg_map'].shape


def test_masks_of_turned_images_pass(folder: Path) -> None:
    Image.new('RGB', (8, 6)).save(folder / 'img/a.jpg', exif=upright(6))
    Image.fromarray(LABELS.T.copy()).save(folder / 'ann/a.png')
    data = dataset(folder)
    look(data)
    assert data[0]['img'].shape[:2] == data[0]['gt_seg_map'].shape == (8, 6)


def test_images_with_the_suffix_in_other_letters(folder: Path) -> None:
    (folder / 'img/b.jpg').rename(folder / 'img/b.JPG')
    with pytest.raises(DataError, match=r"1 of 3 masks .*'.jpg' .*ann/b.png .there is b.JPG"):
        look(dataset(folder))


def test_masks_without_images_are_said(folder: Path) -> None:
    (folder / 'img/b.jpg').unlink()
    _, warnings = look(dataset(folder))
    assert len(warnings) == 1 and '1 of 3 masks' in warnings[0] and 'ann/b.png' in warnings[0]


def test_links_to_folders_are_followed(folder: Path) -> None:
    for sub in ('img', 'ann'):
        (folder / sub).rename(folder / f'{sub}_real')
        (folder / sub).mkdir()
        (folder / sub / 'city').symlink_to(folder / f'{sub}_real')
    (folder / 'img_real/above').symlink_to(folder / 'img')  # which would have no end
    (folder / 'img_real/.c.jpg').touch()  # hidden, so no image
    assert sorted(files_below(folder / 'img', '.jpg')) == ['city/a.jpg', 'city/b.jpg', 'city/c.jpg']
    (folder / 'img_real/above').unlink()
    counts, warnings = look(dataset(folder))
    assert counts.total == 3 and not warnings


def test_cut_images_are_named(folder: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (60, 80, 3), dtype=np.uint8)
    Image.fromarray(noise).save(folder / 'img/b.jpg')
    Image.fromarray(noise[..., 0] % 3).save(folder / 'ann/b.png')
    assert look(dataset(folder))
    (folder / 'img/b.jpg').write_bytes((folder / 'img/b.jpg').read_bytes()[:2000])
    with pytest.raises(DataError, match='cannot be read: .*img/b.jpg .*truncated'):
        look(dataset(folder))


def test_masks_of_real_numbers_are_refused(folder: Path) -> None:
    for name in 'abc':
        Image.fromarray(LABELS.astype(np.float32)).save(folder / f'ann/{name}.tif')
    with pytest.raises(DataError, match=r'of real numbers \(3\): .*ann/a.tif .mode F'):
        look(dataset(folder, seg_map_suffix='.tif'))


def test_the_loader_treats_label_0_as_the_data_set_does(folder: Path) -> None:
    data = dataset(folder)
    data.pipeline.transforms[1].reduce_zero_label = True
    with pytest.raises(DataError, match='the train data set has True, the data set False. Leave'):
        look(data)


def test_a_loader_derived_from_that_of_mmseg_is_known(folder: Path) -> None:
    from mmseg.datasets.transforms import LoadAnnotations

    class Same(LoadAnnotations):
        pass

    class Other(LoadAnnotations):
        def _load_seg_map(self, results: dict) -> None:
            raise NotImplementedError

    for kind, known in ((Same, True), (Other, False)):
        data = dataset(folder)
        data.pipeline.transforms[1] = kind()
        assert (look(data)[0] is not None) is known


def test_a_list_leaves_masks_over(folder: Path) -> None:
    (folder / 'list.txt').write_text('a\nc\n')
    assert not look(dataset(folder, ann_file='list.txt'))[1]


def test_a_list_with_suffixes(folder: Path) -> None:
    (folder / 'list.txt').write_text('a.jpg\nb.jpg\n')
    with pytest.raises(DataError, match=r'list.txt .* names 2 images .* write a instead of a.'):
        check_files(dataset(folder, ann_file='list.txt'), 'train')


@pytest.mark.parametrize(
    ('text', 'expected'),
    [
        ('\ufeffa\nb\n', 'list.txt .* begins with a byte order mark'),
        ('a\n\nb\n', 'list.txt .* has 1 empty lines: remove them'),
        ('img/a\nimg/b\n', 'names 2 images with folders, .*: write a instead of img/a'),
        ('a\nd\n', r'img/d.jpg does not exist, .*list.txt\) name it; 1 of 2'),
        ('a\nB\n', r'img/B.jpg does not exist .there is .*img/b.jpg.*name it as it is'),
    ],
    ids=['byte order mark', 'empty line', 'folders', 'missing', 'letters'],
)
def test_lists_that_name_other_files(folder: Path, text: str, expected: str) -> None:
    (folder / 'list.txt').write_text(text, encoding='utf-8')
    with pytest.raises(DataError, match=expected):
        check_files(dataset(folder, ann_file='list.txt'), 'train')


@pytest.mark.parametrize('text', ['a\r\nb\r\n', 'a  \nb \n'], ids=['CRLF', 'spaces'])
def test_lists_that_are_read_as_they_are_meant(folder: Path, text: str) -> None:
    (folder / 'list.txt').write_bytes(text.encode())
    images = check_files(dataset(folder, ann_file='list.txt'), 'train')
    assert [Path(path).name for path in images] == ['a.jpg', 'b.jpg']


def test_the_suffix_of_masks_is_found(folder: Path) -> None:
    for name in 'abc':
        (folder / f'ann/{name}.png').rename(folder / f'ann/{name}_L.PNG')
    with pytest.raises(
        DataError, match=r"seg_map_suffix='_L.PNG' in .*now '.png'; there is"
    ) as error:
        check_files(dataset(folder), 'train')
    suffix = re.search("seg_map_suffix='(.+?)'", str(error.value))[1]
    assert check_files(dataset(folder, seg_map_suffix=suffix), 'train')


def test_another_loader_may_read_colours(folder: Path) -> None:
    Image.fromarray(np.dstack([LABELS] * 3)).save(folder / 'ann/a.png')
    data = dataset(folder)
    data.pipeline.transforms.pop()
    assert look(data)[0] is None


def test_a_second_run_reads_no_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counts, _ = look(dataset(folder), PassCache(folder / 'work'))

    def no(*args: Any) -> None:
        raise AssertionError('read again')

    monkeypatch.setattr('nasvit_mm.data.label_maps.read_header', no)
    assert look(dataset(folder), PassCache(folder / 'work'))[0] == counts
    Image.fromarray(LABELS * 0).save(folder / 'ann/a.png')
    with pytest.raises(DataError, match='read again'):
        look(dataset(folder), PassCache(folder / 'work'))


def test_what_is_wrong_is_not_kept(folder: Path) -> None:
    Image.fromarray(LABELS[:4].copy()).save(folder / 'ann/a.png')
    for _ in range(2):
        with pytest.raises(DataError, match='another size'):
            look(dataset(folder), PassCache(folder / 'work'))


def test_samples() -> None:
    assert sample(range(ALL_UP_TO)) == list(range(ALL_UP_TO))
    some = sample(range(10**5))
    assert len(set(some)) == SAMPLE and some == sorted(some) == sample(range(10**5))


def test_progress_is_said_after_some_seconds(capsys: pytest.CaptureFixture) -> None:
    seconds = iter(range(100))
    assert list(with_progress('abcdefgh', 'looking', clock=lambda: next(seconds))) == [*'abcdefgh']
    assert capsys.readouterr().err.splitlines()[0] == 'looking: 2 of 8'


def test_shared_images(folder: Path) -> None:
    (folder / 'link.jpg').symlink_to(folder / 'img/a.jpg')
    Image.new('RGB', (8, 6), 'red').save(folder / 'img/c.jpg')
    problems, shared = Problems(), SharedImages()
    shared.add('train', [str(folder / 'img/a.jpg'), str(folder / 'img/b.jpg')])
    shared.add('val', [str(folder / 'img/c.jpg')])
    shared.warn(problems, PassCache(None))
    assert not problems.warnings
    shared.add('val', [str(folder / 'link.jpg')])
    shared.warn(problems, PassCache(None))
    (line,) = problems.warnings
    assert '1 of 2 images of the val data set' in line and 'a.jpg' in line


def test_images_that_are_shared_under_another_name(folder: Path) -> None:
    folders = folder / 'img/a.jpg', folder / 'img/c.jpg'
    Image.new('RGB', (8, 6), 'red').save(folders[0])
    folders[1].write_bytes(folders[0].read_bytes()[::-1])  # as many bytes, others
    shared, cache = SharedImages(), PassCache(folder)
    shared.add('train', [str(folders[0])])
    shared.add('val', [str(folders[1])])

    def warnings(cache: PassCache) -> list[str]:
        problems = Problems()
        shared.warn(problems, cache)
        return problems.warnings

    assert not warnings(cache)
    folders[1].write_bytes(folders[0].read_bytes())
    for found in (warnings(cache), warnings(PassCache(folder))):  # read, and as it was kept
        assert len(found) == 1 and re.search('another name.*img/c.jpg is .*img/a.jpg', found[0])


# ---------------------------------------------------------------------- more than 8 bits
def load(folder: Path, labels: np.ndarray, **kwargs: Any) -> np.ndarray:
    keep_wide_labels()
    Image.fromarray(labels).save(folder / 'ann/a.png')
    return dataset(folder, **kwargs)[0]['gt_seg_map']


def test_wide_labels_are_loaded_as_they_are(folder: Path) -> None:
    wide = np.where(LABELS == 2, 259, LABELS.astype(np.uint16))
    assert np.array_equal(load(folder, wide), wide)


@pytest.mark.parametrize('kind', [np.uint8, np.uint16])
def test_zero_is_ignored_by_reduce_zero_label(folder: Path, kind: type) -> None:
    labels = np.array([[0, 1, 2, 150, 254, 255]], kind).repeat(6, 0)
    Image.new('RGB', (6, 6)).save(folder / 'img/a.jpg')
    loaded = load(folder, labels, reduce_zero_label=True)
    assert loaded[0].tolist() == [255, 0, 1, 149, 253, 255] and loaded.dtype == np.uint8


def test_another_size_is_refused_when_it_is_loaded(folder: Path) -> None:
    with pytest.raises(DataError, match=r'ann/a.png is 8 x 4, its image .*img/a.jpg 8 x 6'):
        load(folder, LABELS[:4].copy())


def test_colours_are_refused_when_they_are_loaded(folder: Path) -> None:
    with pytest.raises(DataError, match=r'ann/a.png holds values of shape \(6, 8, 3\)'):
        load(folder, np.dstack([LABELS] * 3))


@pytest.mark.parametrize(('number', 'kind'), [(3, np.uint8), (300, np.uint16)])
def test_predictions_are_written_as_wide_as_they_are(
    tmp_path: Path, number: int, kind: type
) -> None:
    from mmseg.evaluation import IoUMetric

    keep_wide_labels()
    metric = IoUMetric(output_dir=str(tmp_path))
    metric.dataset_meta = dict(classes=list(range(number)))
    labels = torch.from_numpy(np.where(LABELS == 2, number - 1, LABELS.astype(np.int64)))[None]
    sample = dict(
        pred_sem_seg=dict(data=labels), gt_sem_seg=dict(data=labels), img_path='img/a.jpg'
    )
    metric.process({}, [sample])
    written = np.array(Image.open(tmp_path / 'a.png'))
    assert np.array_equal(written, labels[0]) and written.dtype == kind
    assert metric.output_dir == str(tmp_path)
    assert metric.results[0][0][number - 1] == 16  # pixels of the last class that agree
