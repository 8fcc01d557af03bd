"""NASViT backbones for ADE20K: at most 5 G MACs in total at 512 x 512.

Backbone and head of configs/seg/nasvit_ade20k.py count.  Accuracy is the supernet's on images
held out of ImageNet's training set, five a class as NASViT has it, with batch norms recalibrated
for each candidate; nothing is trained.  (The authors' own checkpoint was trained on them too.)
NASViT's own search is not public; this is its parent's evolution (AttentiveNAS) in its sizes.

    python tools/search.py configs/search/nasvit_ade20k_5g_search.py

Needs the supernet of configs/supernet/nasvit_in1k_supernet.py (or the authors', converted).
"""

# A dense model has no resolution of its own: left free, it would cost nothing.
space = dict(space='nasvit', restrict=dict(resolution=[224]))
task = '../seg/nasvit_ade20k.py'
input_size = (512, 512)
objectives = [dict(metric='accuracy/top1', goal='max'), dict(metric='macs', goal='min')]
constraints = [dict(metric='macs', high=5e9)]
evaluator = dict(
    type='SupernetEvaluator',
    config='configs/supernet/nasvit_in1k_supernet.py',
    checkpoint='work_dirs/nasvit_in1k_supernet/iter_1000800.pth',
    split='held_out',
    num_calibration=32,
)
algorithm = dict(
    type='nasvit', population=512, generations=21, mutations=128, crossovers=128, bins=100e6
)
seed = 0
