"""The smallest NASViT subnet on CamVid, from scratch: 500 iterations of batch 4, minutes on a CPU.

MACs at 352 x 352:  backbone 0.59 G, head 0.56 G, total 1.15 G; 2.04 M parameters.
MACs at 512 x 512:  backbone 1.55 G, head 1.18 G, total 2.73 G.
Expect 35 mIoU on test (35.4 measured, one run, 2 CPU cores), where the most frequent training label
of each pixel place gives 17.0.

    python tools/train.py configs/seg/nasvit_camvid.py       # validates on val
    python tools/test.py configs/seg/nasvit_camvid.py work_dirs/nasvit_camvid/iter_500.pth   # test

Longer: --cfg-options train_cfg.max_iters=2000 train_cfg.val_interval=500; the schedule follows.
"""
"""NASViT on CamVid from scratch: the short name of the config below, which says more.

MACs at 352 x 352:  backbone 0.59 G, head 0.56 G, total 1.15 G.

    python tools/train.py configs/seg/nasvit_camvid.py
"""
_base_ = './nasvit-min_segformer-head_1xb4-2k_camvid-352x352.py'
