_base_ = './_camvid_small.py'
model = dict(decode_head=dict(channels=120))
