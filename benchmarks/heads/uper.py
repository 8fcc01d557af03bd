_base_ = './_camvid_small.py'
model = dict(decode_head=dict(type='UPerHead', pool_scales=(1, 2, 3, 6), channels=36))
