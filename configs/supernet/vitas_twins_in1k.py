"""The supernet of the Twins-like ViTAS space on ImageNet-1k.

Paper: ViTAS, ECCV 2022 (arxiv.org/abs/2106.13700), whose Twins space is not public: the space is
this project's.  Recipe as of vitas_in1k_supernet.py.  Not reproduced here.

    tools/dist_train.sh configs/supernet/vitas_twins_in1k.py 8
"""

_base_ = './vitas_in1k_supernet.py'
model = dict(model=dict(space=dict(space='vitas_twins')))
val_cfg = dict(subnets=['smallest', 'twins_svt_small', 'largest'])
test_cfg = dict(subnets=['smallest', 'twins_svt_small', 'largest'])
