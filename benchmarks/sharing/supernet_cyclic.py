"""supernet_ordinal.py with ViTAS's cyclic sharing, in which all channels train equally often.

python tools/train.py benchmarks/sharing/supernet_cyclic.py
"""

_base_ = './supernet_ordinal.py'
model = dict(model=dict(backbone=dict(sharing='cyclic')))
