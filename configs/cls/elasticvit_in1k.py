"""Evaluate an ElasticViT subnet on ImageNet-1k, by the paper's protocol: 256, centre crop 224.

Paper: ElasticViT, ICCV 2023 (arxiv.org/abs/2303.09730).  The classifier resizes the crop to the
architecture's resolution.  Not measured here: the released weights are not shipped.

    python tools/convert_checkpoint.py elasticvit checkpoint.pth elastic_S1.pth --arch elastic_S1
    python tools/test.py configs/cls/elasticvit_in1k.py elastic_S1.pth

Batch norm statistics as of nasvit_in1k.py; the released code takes 129 batches of 96.
"""

_base_ = './nasvit_in1k.py'
model = dict(space=dict(space='elasticvit'), arch='elastic_S1')
test_cfg = dict(num_calibration=129, calibration_dataloader=dict(batch_size=96))
