"""Images per second and core: our training pipeline, timm's and torchvision's, on the same JPEGs.

    python benchmarks/data.py --images FOLDER

Of the images below FOLDER JPEGs of 500 x 375 are made in a temporary folder, ImageNet's usual size
and some 100 kB each.  Every pipeline decodes them, crops, flips and jitters them by one recipe, and
ends in a batch on the host; timm's is that of its own loader, which like ours leaves the
normalisation to the device, and torchvision's its reference's, on tensors.  One process, one
thread, no workers; the pipelines take turns.
"""

from __future__ import annotations

import itertools
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from _timing import parser
from PIL import Image
from timm.data import create_transform
from timm.data.loader import fast_collate
from torch.utils.data import default_collate
from torchvision.datasets import ImageFolder
from torchvision.io import decode_image, read_file
from torchvision.transforms import InterpolationMode, v2

from nasvit_mm import data
from nasvit_mm.data import ImageIndex, seed_image

SIZE, WIDTH, HEIGHT = 224, 500, 375
RECIPE = dict(
    input_size=SIZE, is_training=True, color_jitter=0.4, auto_augment=None, interpolation='bicubic'
)
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument('--images', type=Path, required=True, help='folder of photographs')
    arguments.add_argument('--number', type=int, default=64, help='of the JPEGs, one batch')
    arguments.set_defaults(rounds=15, threads=1)
    args = arguments.parse_args()
    torch.set_num_threads(args.threads)
    with tempfile.TemporaryDirectory() as folder:
        write_jpegs(args.images, Path(folder, 'train', 'all'), args.number)
        report(pipelines(Path(folder)), args.number, args.rounds)


def write_jpegs(source: Path, folder: Path, number: int) -> None:
    """Write images of one size, those of the source over and over until there are enough."""
    folder.mkdir(parents=True)
    found = sorted(p for p in source.rglob('*') if p.suffix.lower() in ('.jpg', '.jpeg', '.png'))
    for i in range(number):
        image = Image.open(found[i % len(found)]).convert('RGB')
        if image.height > image.width:
            image = image.transpose(Image.Transpose.ROTATE_90)
        image = image.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)
        image.save(folder / f'{i:05}.jpg', quality=95)
    size = sum(path.stat().st_size for path in folder.iterdir()) / number
    print(f'{number} JPEGs of {WIDTH} x {HEIGHT}, {size / 1e3:.0f} kB each')


def pipelines(folder: Path) -> dict[str, Callable[[Sequence[int]], object]]:
    """Name -> function from indices of images to a batch."""
    ours = data.ImageFolder(str(folder), 'train', dict(RECIPE, normalize=False))
    floats = data.ImageFolder(str(folder), 'train', RECIPE)
    timm = ImageFolder(str(folder / 'train'), create_transform(**RECIPE, use_prefetcher=True))
    plain = ImageFolder(str(folder / 'train'), create_transform(**RECIPE))
    tensors = v2.Compose(
        [
            v2.RandomResizedCrop(SIZE, interpolation=InterpolationMode.BICUBIC, antialias=True),
            v2.RandomHorizontalFlip(),
            v2.ColorJitter(0.4, 0.4, 0.4),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(MEAN, STD),
        ]
    )
    torchvision = ImageFolder(
        str(folder / 'train'), tensors, loader=lambda path: decode_image(read_file(path))
    )

    epochs = itertools.count()  # each call draws other crops, as the others' do

    def seeded(dataset: data.ImageFolder) -> Callable[[Sequence[int]], object]:
        def call(indices: Sequence[int]) -> object:
            epoch = next(epochs)
            return default_collate([dataset[ImageIndex(i, (0, epoch, i))] for i in indices])

        return call

    return {
        'nasvit_mm': seeded(ours),
        'nasvit_mm, its seeding alone': lambda indices: [seed_image(0, 1, i) for i in indices],
        'nasvit_mm, floats': seeded(floats),
        'timm, as its loader (bytes)': lambda indices: fast_collate([timm[i] for i in indices]),
        'timm, floats': lambda indices: default_collate([plain[i] for i in indices]),
        'torchvision v2 (floats)': lambda indices: default_collate(
            [torchvision[i] for i in indices]
        ),
    }


def report(calls: dict[str, Callable[[Sequence[int]], object]], number: int, rounds: int) -> None:
    """Time all in turn, of CPU time, which others' work on the machine does not lengthen."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for i in range(rounds + 1):
        for name, call in calls.items():
            start = time.process_time()
            call(range(number))
            if i:
                seconds[name].append(time.process_time() - start)
    first = next(iter(calls))
    for name, times in seconds.items():
        rate = number / statistics.median(times)
        ratio = statistics.median(b / a for a, b in zip(seconds[first], times))
        print(f'{name:30} {rate:6.0f} images/s a core, time over {first}: {ratio:.3f}')


if __name__ == '__main__':
    main()
