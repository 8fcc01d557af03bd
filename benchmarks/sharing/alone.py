"""One architecture of the space, trained alone as the supernets' paths are: no supernet.

run.py names the architecture: --cfg-options model.backbone.arch=FILE.json
"""

_base_ = './_twins.py'
