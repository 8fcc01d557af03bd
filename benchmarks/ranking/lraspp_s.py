"""LR-ASPP MobileNetV3-large with the supernets' teacher, at the MACs of the smaller budget.

MACs at 180 x 240, by mmengine's counter:  backbone 330 M, head 24 M, total 354 M.

    python tools/train.py benchmarks/ranking/lraspp_s.py
"""

_base_ = './alone_taught.py'
custom_imports = dict(imports=['nasvit_mm.compat', 'benchmarks.camvid.lraspp'])
model = dict(
    backbone=dict(_delete_=True, type='nasvit_mm.MobileNetV3Large', width_mult=1.0),
    decode_head=dict(
        _delete_=True,
        type='nasvit_mm.LRASPP',
        in_channels=(40, 960),
        in_index=[0, 1],
        channels=128,
        num_classes=11,
        align_corners=False,
        loss_decode=dict(type='CrossEntropyLoss', use_sigmoid=False, loss_weight=1.0),
    ),
)
optim_wrapper = dict(optimizer=dict(lr=1e-3))  # as in benchmarks/camvid
