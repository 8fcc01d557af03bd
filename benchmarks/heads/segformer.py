"""SegFormer's all-MLP head of 120 channels on CamVid, from scratch: a row of run.py.

The head of the light segmentation configs.

MACs at 512 x 512:  backbone 1.71 G, head 0.27 G, total 1.98 G.

    python tools/train.py benchmarks/heads/segformer.py
"""

_base_ = './_camvid_small.py'
model = dict(decode_head=dict(channels=120))
