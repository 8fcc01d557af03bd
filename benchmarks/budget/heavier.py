"""The smallest subnet on CamVid with a head that brings it to 1.59 G, the searched one's budget."""

_base_ = '../../configs/seg/nasvit_camvid.py'
model = dict(decode_head=dict(channels=336))
