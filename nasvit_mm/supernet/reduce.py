"""Reducing gradients and numbers over all processes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
import torch.distributed
from mmengine.dist import all_reduce, get_world_size
from torch import Tensor, nn

BUCKET = 64 * 2**20  # bytes: few reductions
ALIGNED = 32  # elements: kernels read aligned memory in larger pieces


def take_gradients(parameters: Sequence[nn.Parameter]) -> list[Tensor | None]:
    """Remove the gradients from the parameters and return them."""
    out = [p.grad for p in parameters]
    for p in parameters:
        p.grad = None
    return out


class MeanGradients:
    """Gradients on their way to their mean over all processes.

    Reductions start at once and go on beside what the device computes next, until :meth:`wait`.
    Every process issues the same ones in the same order, whichever parameters its loss has reached,
    as NCCL demands: the buckets hold all parameters that train, zeros for those not reached, and
    say how many processes have reached each.  (A sum over processes inside the next forward, such
    as SyncBN's, waits for them: a communicator does one thing at a time.)

    Args:
        gradients: the gradients, None for parameters that were not reached.
        like: the parameters.
    """

    def __init__(self, gradients: Sequence[Tensor | None], like: Sequence[nn.Parameter]) -> None:
        self._gradients, self._buckets = list(gradients), []
        if get_world_size() > 1:
            self._buckets = [_Bucket(places, self._gradients, like) for places in _buckets(like)]
            self._gradients = [None] * len(like)  # their memory is free

    def wait(self) -> list[Tensor | None]:
        """Return the mean gradients, in the order of the parameters; of a parameter that no process
        has reached zeros, for this process has not read yet that none has.
        """
        for bucket in self._buckets:
            bucket.work.wait()
            bucket.flat.div_(get_world_size())
            for i, gradient in zip(bucket.places, bucket.gradients):
                self._gradients[i] = gradient
        return self._gradients

    @property
    def reached(self) -> list[Tensor]:
        """Return, of each bucket, the shares of processes that have reached its parameters; no
        buckets in one process, which knows.
        """
        return [bucket.reached for bucket in self._buckets]

    def settle(self, reached: Sequence[float]) -> list[Tensor | None]:
        """Return the gradients, None for parameters that no process has reached.

        Args:
            reached: the numbers of :attr:`reached`, one after another, on the host.
        """
        places = [i for bucket in self._buckets for i in bucket.places]
        for i, share in zip(places, reached):
            if not share:
                self._gradients[i] = None
        return self._gradients


class _Bucket:
    """Some gradients in one piece of memory, and the reduction of it."""

    def __init__(
        self,
        places: Sequence[int],
        gradients: Sequence[Tensor | None],
        like: Sequence[nn.Parameter],
    ) -> None:
        self.places = places
        offsets = [0]
        for i in places:
            offsets.append(offsets[-1] + -(-like[i].numel() // ALIGNED) * ALIGNED)
        first = like[places[0]]
        self.flat = torch.empty(offsets[-1] + len(places), dtype=first.dtype, device=first.device)
        self.reached = self.flat[offsets[-1] :].fill_(1.0)
        self.gradients = [
            self.flat.as_strided(like[i].shape, like[i].stride(), offset)
            for i, offset in zip(places, offsets)
        ]
        given = [j for j, i in enumerate(places) if gradients[i] is not None]
        absent = [j for j, i in enumerate(places) if gradients[i] is None]
        if given:
            torch._foreach_copy_(
                [self.gradients[j] for j in given], [gradients[places[j]] for j in given]
            )
        if absent:
            torch._foreach_zero_([t[j] for j in absent for t in (self.gradients, self.reached)])
        self.work = torch.distributed.all_reduce(self.flat, async_op=True)


def _buckets(like: Sequence[nn.Parameter]) -> Iterator[list[int]]:
    """Yield the places of the parameters that train, in groups of one type and a size at most."""
    kinds: dict[tuple, list[int]] = {}
    for i, p in enumerate(like):
        if p.requires_grad:
            kinds.setdefault((p.dtype, p.device), []).append(i)
    for places in kinds.values():
        bucket, size = [], 0
        for i in places:
            size += like[i].numel() * like[i].element_size()
            if bucket and size > BUCKET:
                yield bucket
                bucket, size = [], like[i].numel() * like[i].element_size()
            bucket.append(i)
        yield bucket


def mean_numbers(values: Sequence[Tensor]) -> list[float]:
    """Return the mean of each scalar over all processes; their device is waited for once."""
    together = torch.stack([value.detach() for value in values])
    all_reduce(together, op='mean')
    return together.tolist()
