"""NASViT's supernet on ImageNet-1k in tar shards of webdataset's layout.

The recipe is that of nasvit_in1k_supernet.py, and so are its figures.
data/imagenet_shards/{train,val} hold *.tar, and these key.jpg beside key.cls, such as those of
timm/imagenet-1k-wds on Hugging Face: imagenet1k-train-0000.tar to 1023 in train/,
imagenet1k-validation-00.tar to 63 in val/.

    tools/dist_train.sh configs/supernet/nasvit_in1k_shards.py 8
"""

_base_ = './nasvit_in1k_supernet.py'
shards = dict(type='nasvit_mm.TarShards', data_root='data/imagenet_shards')
train_dataloader = dict(dataset=shards)
val_dataloader = dict(dataset=shards)
test_dataloader = val_dataloader
held_out_dataloader = dict(dataset=shards)
