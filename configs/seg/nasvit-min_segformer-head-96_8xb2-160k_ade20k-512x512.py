"""The smallest NASViT subnet on ADE20K, within 2 GMACs with its head.

As nasvit_ade20k.py, with SegFormer's head of 96 channels at strides 8 to 64, the best of four heads
of this cost in short runs on CamVid (docs/benchmarks/heads.md).

MACs at 512 x 512:  backbone 1.71 G, head 0.23 G, total 1.94 G.
mIoU to expect: not measured.

    python tools/train.py configs/seg/nasvit_ade20k_2g.py \
        --cfg-options model.backbone.init_cfg.type=Pretrained \
        model.backbone.init_cfg.checkpoint=WEIGHTS_OF_THIS_SUBNET.pth
"""

_base_ = './nasvit-like-421m_segformer-head_8xb2-160k_ade20k-512x512.py'
model = dict(backbone=dict(arch='nasvit_min', drop_path_rate=0.0), decode_head=dict(channels=96))
