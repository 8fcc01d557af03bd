"""Two gloo processes under DDP: private weights that no process used are left alone by AdamW."""

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

from nasvit_mm import create_model, get_space
from tests.commands import as_rank


def main(rank: int) -> None:
    torch.manual_seed(0)
    space = get_space('vitas_deit_small').restrict(
        width=(38, 77), heads={f'block{i}': (3, 6, 12, 16) if i < 2 else 0 for i in range(16)}
    )
    model = create_model(space, num_classes=5)
    wrapped = DistributedDataParallel(model, find_unused_parameters=True)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, weight_decay=0.1)

    def arch(patch: int, heads: tuple[int, int]):
        return space.smallest.replace(patch_size=patch, heads=heads + (0,) * 14)

    def step(mine) -> set[str]:
        """One step; names of the parameters that moved."""
        before = {k: p.detach().clone() for k, p in model.named_parameters()}
        model.set_arch(mine)
        optimizer.zero_grad()
        x = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(rank))
        wrapped(x).logsumexp(1).sum().backward()
        optimizer.step()
        for p in model.parameters():
            other = p.detach().clone()
            dist.broadcast(other, 0)
            assert torch.equal(other, p), 'the processes differ'
        return {k for k, p in model.named_parameters() if not torch.equal(p, before[k])}

    def private(names: set[str]) -> set[str]:
        """Which private weights are among them."""
        return {
            '.'.join(k.split('.')[1:3]) if 'stems' in k else '.'.join(k.split('.')[2:6])
            for k in names
            if 'stems' in k or '.qk.' in k
        }

    moved = step(arch(16, (3, 12)))
    assert private(moved) == {'stems.16', '0.attn.qk.3', '1.attn.qk.12'}, private(moved)
    # Momentum of the step before must not move what this one does not use.
    moved = step(arch(32, (6, 12)))
    assert private(moved) == {'stems.32', '0.attn.qk.6', '1.attn.qk.12'}, private(moved)
    # Another architecture in each process: what one of them used moves in both.
    moved = step(arch(14, (3, 3)) if rank else arch(32, (16, 3)))
    assert private(moved) == {
        'stems.14',
        'stems.32',
        '0.attn.qk.3',
        '0.attn.qk.16',
        '1.attn.qk.3',
    }, private(moved)


as_rank(main)
