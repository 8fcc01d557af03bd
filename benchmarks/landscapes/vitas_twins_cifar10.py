"""ViTAS's Twins-like subnets on CIFAR-10: accuracy by the supernet and MACs; for fit.py."""

_base_ = '../surrogate_cifar/search.py'
space = dict(
    _delete_=True,
    space='vitas_twins',
    restrict=dict(
        resolution=[32],
        width=[[2**i * 8 * k for k in range(4, 9)] for i in range(4)],
        heads={**{f'stage2.{i}': 0 for i in range(4, 18)}, 'stage3.2': 0, 'stage3.3': 0},
        head_dim=[[16, 32]] * 26,
        mlp_width=[
            [2**i * 64 * k for k in range(1, 5)] for i in [0] * 2 + [1] * 2 + [2] * 18 + [3] * 4
        ],
    ),
)
evaluator = dict(
    config='configs/supernet/vitas_twins_cifar10.py',
    checkpoint='work_dirs/vitas_twins_cifar10/iter_1000.pth',
)
algorithm = dict(generations=4)  # 256 candidates
