"""The search whose archive is evaluated.jsonl: an evaluator beside costs of a dense model."""

custom_imports = dict(imports=['tests.test_search.before.measured'])
space = dict(space='nasvit', restrict=dict(resolution=[64]))
task = dict(
    default_scope='mmseg',
    model=dict(
        type='EncoderDecoder',
        backbone=dict(type='nasvit_mm.NASViT', arch='nasvit_min'),
        decode_head=dict(
            type='FCNHead', in_channels=1, in_index=3, channels=16, num_classes=3, num_convs=1
        ),
    ),
)
input_size = (64, 96)
objectives = [dict(metric='score', goal='max'), 'macs']
constraints = [dict(metric='macs', high=0.2e9), dict(metric='backbone.params', low=5e6)]
evaluator = dict(type='Measured', factor=0.5, quick=True)
initial = ['nasvit_min']
algorithm = dict(type='nasvit', population=4, generations=2, mutations=2, crossovers=2, bins=1e6)
seed = 3
