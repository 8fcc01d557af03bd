"""Evaluate a searched ViTAS network on ImageNet-1k: 256, centre crop 224.

Paper: ViTAS, ECCV 2022 (arxiv.org/abs/2106.13700).  Published top-1 of the released nets: vitas_a
71.1, vitas_b 72.4, vitas_c 74.7, vitas_e 77.4, vitas_f 80.6; not measured here, the weights are not
shipped.  vitas_a, _b and _e are of the space vitas_deit_small, _f of vitas_deit_base.

    python tools/convert_checkpoint.py vitas_deit_block epoch_299_ckpt.pth.tar vitas_c.pth \\
        --arch vitas_c
    python tools/test.py configs/cls/vitas_in1k.py vitas_c.pth
"""

_base_ = './nasvit_in1k.py'
model = dict(space=dict(space='vitas_deit_block'), arch='vitas_c')
test_cfg = dict(num_calibration=0)  # it has no batch norm
