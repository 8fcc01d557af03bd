"""Mistakes in the data are named before they do harm."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.model import BaseModel
from mmengine.registry import init_default_scope
from mmengine.structures import PixelData
from PIL import Image
from torch import nn

import nasvit_mm.compat  # noqa: F401 (before mmseg)
from nasvit_mm.data import ImageFolder
from nasvit_mm.dense import CheckData
from nasvit_mm.errors import DataError


class Other(BaseModel):
    def forward(self, inputs, mode='tensor'):
        return inputs


class Model(nn.Module):
    def __init__(self, num_classes: int = 3) -> None:
        super().__init__()
        self.decode_head = nn.Identity()
        self.decode_head.num_classes, self.decode_head.ignore_index = num_classes, 255

    def encode_decode(self) -> None:  # by which mmseg's segmentors are known
        raise NotImplementedError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in 'ab':
        for sub, suffix in (('img', 'jpg'), ('ann', 'png')):
            path = tmp_path / sub / f'{name}.{suffix}'
            path.parent.mkdir(exist_ok=True)
            Image.fromarray(np.zeros((4, 4), np.uint8)).save(path)
    return tmp_path


def dataset(folder: Path, **kwargs):
    from mmseg.datasets import BaseSegDataset

    init_default_scope('mmseg')
    out = BaseSegDataset(
        data_root=str(folder),
        data_prefix=dict(img_path='img', seg_map_path='ann'),
        metainfo=dict(classes=('x', 'y', 'z'), palette=[[0, 0, 0]] * 3),
        **kwargs,
    )
    out.full_init()
    return out


def check(data, model: nn.Module | None = None) -> None:
    loop = SimpleNamespace(dataloader=SimpleNamespace(dataset=data))
    config = dict(dataloader=dict())  # of a loop that this run does not use
    CheckData().before_run(
        SimpleNamespace(model=model or Model(), _train_loop=None, _val_loop=loop, _test_loop=config)
    )


def test_good_data_pass(folder: Path) -> None:
    from mmengine.dataset import ConcatDataset, RepeatDataset

    check(dataset(folder))
    check(RepeatDataset(dataset(folder), 2))
    check(ConcatDataset([dataset(folder), dataset(folder)]))


def test_missing_annotation(folder: Path) -> None:
    (folder / 'ann/b.png').unlink()
    with pytest.raises(DataError, match=r'1 of 2 images of the val .*ann/b.png.*seg_map_suffix'):
        check(dataset(folder))


@pytest.mark.parametrize('wrap', ['RepeatDataset', 'ConcatDataset'])
def test_missing_annotation_inside_a_wrapper(folder: Path, wrap: str) -> None:
    from mmengine.dataset import ConcatDataset, RepeatDataset

    (folder / 'ann/b.png').unlink()
    data = dataset(folder)
    with pytest.raises(DataError, match='ann/b.png'):
        check(RepeatDataset(data, 3) if wrap == 'RepeatDataset' else ConcatDataset([data]))


def test_number_of_classes(folder: Path) -> None:
    with pytest.raises(DataError, match=r'3 classes, the head num_classes=4; set model.'):
        check(dataset(folder), Model(4))


@pytest.mark.parametrize('wrap', ['RepeatDataset', 'ClassBalancedDataset', 'ConcatDataset'])
def test_number_of_classes_of_a_wrapped_set(folder: Path, wrap: str) -> None:
    from mmengine import dataset as wrappers

    inner = dataset(folder)
    inner.get_cat_ids = lambda index: [0]
    outer = dict(
        RepeatDataset=lambda: wrappers.RepeatDataset(inner, 2),
        ClassBalancedDataset=lambda: wrappers.ClassBalancedDataset(inner, 0.5),
        ConcatDataset=lambda: wrappers.ConcatDataset([inner, inner]),
    )[wrap]()
    with pytest.raises(DataError, match='3 classes, the head num_classes=4'):
        check(outer, Model(4))


def batch(values: list[int], **meta) -> dict:
    from mmseg.structures import SegDataSample

    labels = torch.tensor([[values]], dtype=torch.uint8)
    meta = dict(seg_map_path='ann/a.png', reduce_zero_label=False, **meta)
    return dict(
        inputs=[], data_samples=[SegDataSample(gt_sem_seg=PixelData(data=labels), metainfo=meta)]
    )


HOOKS = ['before_train_iter', 'before_val_iter', 'before_test_iter']


@pytest.mark.parametrize('hook', HOOKS)
def test_labels(hook: str) -> None:
    call = getattr(CheckData(), hook)
    runner = SimpleNamespace(model=Model())
    call(runner, 0, batch([0, 2, 255]))
    with pytest.raises(
        DataError,
        match=r'ann/a.png holds label 3, 19; the head knows 0 to 2, and '
        r'255 is ignored.*reduce_zero_label',
    ):
        call(runner, 0, batch([0, 19, 3, 255]))


def test_labels_after_reduce_zero_label() -> None:
    wrong = batch([4])
    wrong['data_samples'][0].set_metainfo(dict(reduce_zero_label=True))
    with pytest.raises(DataError, match=r'label 4 \(value - 1, by reduce_zero_label\)'):
        CheckData().before_train_iter(SimpleNamespace(model=Model()), 0, wrong)


def test_other_tasks_pass() -> None:
    CheckData().before_train_iter(SimpleNamespace(model=Other()), 0, dict(inputs=[]))


class TestClasses:
    """Of pictures in folders by class."""

    @pytest.fixture
    def pictures(self, tmp_path: Path) -> Path:
        for split in ('train', 'val'):
            for name in 'abc':
                folder = tmp_path / split / name
                folder.mkdir(parents=True)
                Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(folder / '0.png')
        return tmp_path

    @staticmethod
    def check(root: Path, num_classes: int = 3) -> None:
        loops = {}
        for split in ('train', 'val'):
            data = ImageFolder(str(root), split, dict(input_size=8))
            loops[f'_{split}_loop'] = SimpleNamespace(dataloader=SimpleNamespace(dataset=data))
        model = Other()
        model.num_classes = num_classes
        CheckData().before_run(SimpleNamespace(model=model, _test_loop=None, **loops))

    def test_they_are_the_same(self, pictures: Path) -> None:
        self.check(pictures)
        (pictures / 'val/c').rename(pictures / 'val/d')
        with pytest.raises(
            DataError,
            match=r'val data set \(3\) are not those of the train.*c; '
            'only in val: d',
        ):
            self.check(pictures)

    def test_their_number(self, pictures: Path) -> None:
        with pytest.raises(DataError, match='3 classes, the head num_classes=4; set model.num_cl'):
            self.check(pictures, 4)

    def test_one_class_is_nothing_to_learn(self, pictures: Path) -> None:
        from nasvit_mm.classification import ImageClassifier

        for split in ('train', 'val'):
            for name in 'bc':
                (pictures / split / name / '0.png').unlink()
                (pictures / split / name).rmdir()
        model = ImageClassifier('nasvit', 'nasvit_min', num_classes=1)
        data = ImageFolder(str(pictures), 'train', dict(input_size=8))
        loop = SimpleNamespace(dataloader=SimpleNamespace(dataset=data))
        loops = dict(_train_loop=loop, _val_loop=None, _test_loop=None)
        with pytest.raises(DataError, match='num_classes=1: a softmax of one class'):
            CheckData().before_run(SimpleNamespace(model=model, **loops))


class TestMasks:
    """Masks are looked at before the run, and said to be wrong all at once."""

    @staticmethod
    def data(folder: Path):
        return dataset(
            folder, pipeline=[dict(type='LoadImageFromFile'), dict(type='LoadAnnotations')]
        )

    @staticmethod
    def head(num_classes: int = 3) -> Model:
        model = Model(num_classes)
        model.decode_head.loss_decode = nn.CrossEntropyLoss()
        return model

    def test_mistakes_of_all_kinds_are_one_error(self, folder: Path) -> None:
        Image.fromarray(np.full((4, 4), 9, np.uint8)).save(folder / 'ann/a.png')
        Image.fromarray(np.zeros((4, 3, 3), np.uint8)).save(folder / 'ann/b.png')
        with pytest.raises(DataError) as error:
            check(self.data(folder), self.head())
        kinds = str(error.value).splitlines()
        assert len(kinds) == 3
        assert 'ann/b.png (3 x 4) of' in kinds[0]
        assert 'ann/b.png (3 channels' in kinds[1]
        assert kinds[2].startswith('labels that are no class: 9 in 2 of 2 masks')

    def test_they_can_be_left_alone(self, folder: Path) -> None:
        Image.fromarray(np.full((4, 4), 9, np.uint8)).save(folder / 'ann/a.png')
        loop = SimpleNamespace(dataloader=SimpleNamespace(dataset=self.data(folder)))
        loops = dict(_train_loop=loop, _val_loop=None, _test_loop=None)
        CheckData(contents=False).before_run(SimpleNamespace(model=self.head(), **loops))

    @pytest.fixture
    def lines(self, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        """Return the warnings, as they are logged."""
        out: list[str] = []
        monkeypatch.setattr(
            'nasvit_mm.data.report.print_log', lambda line, *a, **k: out.append(line)
        )
        return out

    def test_what_nobody_looks_at_is_said(self, folder: Path, lines: list[str]) -> None:
        check(dataset(folder, pipeline=[]), self.head())  # no loader of label maps
        assert len(lines) == 1 and 'val data set (BaseSegDataset) are not looked at' in lines[0]
        data = dataset(folder, pipeline=[])
        del data.data_prefix['seg_map_path']  # images alone: nothing to look at
        check(data, self.head())
        assert len(lines) == 1

    def test_crop_and_padding_differ(self, folder: Path, lines: list[str]) -> None:
        Image.fromarray(np.arange(16, dtype=np.uint8).reshape(4, 4) % 3).save(folder / 'ann/a.png')
        steps = [dict(type='RandomCrop', crop_size=(2, 2))]
        loop = SimpleNamespace(dataloader=SimpleNamespace(dataset=dataset(folder, pipeline=steps)))
        model = self.head()
        model.data_preprocessor = nn.Identity()
        loops = dict(_train_loop=loop, _val_loop=None, _test_loop=None)
        for size in ((2, 2), (4, 4)):
            model.data_preprocessor.size = size
            CheckData().before_run(SimpleNamespace(model=model, **loops))
            loop.dataloader.dataset = dataset(folder, pipeline=steps)
        (line,) = [line for line in lines if 'cropped' in line]
        assert '(2, 2)' in line and 'padded to (4, 4)' in line
