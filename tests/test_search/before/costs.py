"""The search whose archive is costs.jsonl: costs of a classifier alone."""

space = 'vitas_twins'
objectives = ['macs', dict(metric='params', goal='max')]
constraints = [dict(metric='macs@192x192', low=1e9, high=1.2e9)]
algorithm = dict(type='random', population=3, generations=2)
