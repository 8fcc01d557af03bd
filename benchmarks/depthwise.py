"""Training on a CPU with torch's depthwise convolution and with this project's.

    python benchmarks/depthwise.py --threads 1

Each line's candidates are timed in turn: forward and backward of one depthwise convolution at sizes
that the networks have; and a step (largest and smallest subnet, projection) of supernets, batch
32, on small and on larger images.
"""

from __future__ import annotations

from unittest import mock

import torch
import torch.nn.functional as F
from _timing import medians, parser
from mmengine.optim import OptimWrapper

from nasvit_mm.nn import depthwise_conv2d
from nasvit_mm.registry import MODELS

SHAPES = (  # N, C, H = W, kernel, stride
    (32, 832, 1, 3, 1),
    (32, 512, 2, 3, 1),
    (32, 320, 4, 5, 1),
    (32, 192, 8, 5, 1),
    (32, 240, 14, 3, 1),
    (8, 144, 56, 5, 2),
    (8, 96, 112, 3, 2),
)
STEPS = (('nasvit', 32), ('elasticvit', 32), ('nasvit', 64), ('elasticvit', 64), ('nasvit', 128))


def plain(
    x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, stride: int
) -> torch.Tensor:
    return F.conv2d(x, weight, bias, stride, weight.shape[-1] // 2, groups=weight.shape[0])


def convolution(shape: tuple[int, ...], rounds: int) -> None:
    n, channels, size, kernel, stride = shape
    torch.manual_seed(0)
    x = torch.randn(n, channels, size, size, requires_grad=True)
    weight = torch.randn(channels, 1, kernel, kernel, requires_grad=True)

    @torch.inference_mode(False)
    def call(conv, layout) -> None:
        out = conv(
            x.detach().contiguous(memory_format=layout).requires_grad_(), weight, None, stride
        )
        out.sum().backward()

    found = medians(
        dict(
            plain=lambda: call(plain, torch.contiguous_format),
            last=lambda: call(plain, torch.channels_last),
            ours=lambda: call(depthwise_conv2d, torch.channels_last),
        ),
        rounds,
    )
    print(
        f'{n} x {channels} x {size} x {size}, kernel {kernel}, stride {stride}: ' + compared(found)
    )


def step(space: str, size: int, rounds: int) -> None:
    torch.manual_seed(0)
    data = dict(inputs=torch.randn(32, 3, size, size), labels=torch.randint(0, 10, (32,)))
    model = MODELS.build(
        dict(
            type='nasvit_mm.Supernet',
            model=dict(
                type='nasvit_mm.ImageClassifier',
                num_classes=10,
                space=dict(space=space, restrict=dict(resolution=[size])),
            ),
            sampler=dict(type='sandwich', num_random=0),
            conflict=dict(rule='project'),
        )
    ).train()
    wrapper = OptimWrapper(torch.optim.AdamW(model.parameters(), lr=1e-4))

    @torch.inference_mode(False)
    def call() -> None:
        model.train_step(data, wrapper)

    def call_plain() -> None:
        with mock.patch('nasvit_mm.nn.layers.depthwise_conv2d', plain):
            call()

    print(f'{space} at {size}: ' + compared(medians(dict(plain=call_plain, ours=call), rounds)))


def compared(seconds: dict[str, float]) -> str:
    ours = seconds['ours']
    return ', '.join(
        f'{name} {1e3 * s:.1f} ms' + (f' ({s / ours:.2f})' if s is not ours else '')
        for name, s in seconds.items()
    )


def main() -> None:
    arguments = parser(__doc__)
    arguments.set_defaults(rounds=7)
    args = arguments.parse_args()
    torch.set_num_threads(args.threads)
    for shape in SHAPES:
        convolution(shape, args.rounds)
    for space, size in STEPS:
        step(space, size, args.rounds)


if __name__ == '__main__':
    main()
