"""LR-ASPP MobileNetV3-large on CamVid with the MACs of configs/seg/nasvit_camvid_mid.py.

The width is the smallest in steps of 0.05 that has at least as many.  The same data, schedule and
optimizer; the learning rate is its own.

MACs at 352 x 352:  backbone 1.56 G, head 0.08 G, total 1.65 G.

    python tools/train.py benchmarks/camvid/lraspp_m.py
"""

_base_ = ['../../configs/seg/nasvit_camvid.py']
custom_imports = dict(imports=['nasvit_mm.compat', 'benchmarks.camvid.lraspp'])
model = dict(
    backbone=dict(_delete_=True, type='nasvit_mm.MobileNetV3Large', width_mult=1.35),
    decode_head=dict(
        _delete_=True,
        type='nasvit_mm.LRASPP',
        in_channels=(56, 1296),
        in_index=[0, 1],
        channels=128,
        num_classes=11,
        align_corners=False,
        loss_decode=dict(type='CrossEntropyLoss', use_sigmoid=False, loss_weight=1.0),
    ),
)
# Of 1e-3 and 2e-3 the better after 500 iterations; for NASViT it is 2e-3.
optim_wrapper = dict(optimizer=dict(lr=1e-3))
