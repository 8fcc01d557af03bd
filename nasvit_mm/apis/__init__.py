"""The verbs from Python: train, evaluate, run a search, export, count::

    from nasvit_mm.apis import evaluate, export, run_search, train

    config = 'configs/search/nasvit_ade20k_5g_search.py'
    search = run_search(config, work_dir='work_dirs/found')
    search.best()                                      # the record of a candidate
    export(config, 'work_dirs/winner', work_dir='work_dirs/found', from_scratch=True)
    train('work_dirs/winner/config.py')
    evaluate('work_dirs/winner/config.py', 'work_dirs/winner/train/iter_160000.pth')

Each is what the command of its name does.  A config is a file, a mapping, or what mmengine made of
one, and stays as it is.  A mistake is a :class:`~nasvit_mm.errors.UsageError` with one sentence.
"""

from nasvit_mm.apis.advising import advise
from nasvit_mm.apis.deploying import deploy
from nasvit_mm.apis.evaluating import evaluate
from nasvit_mm.apis.exporting import export
from nasvit_mm.apis.searching import reconsider, run_search
from nasvit_mm.apis.training import train
from nasvit_mm.dense import check_model, count, input_size
from nasvit_mm.deploy import Predictor
from nasvit_mm.runtime import read_config
from nasvit_mm.search import Search
from nasvit_mm.supernet import make_supernet

__all__ = [
    'Predictor',
    'Search',
    'advise',
    'check_model',
    'count',
    'deploy',
    'evaluate',
    'export',
    'input_size',
    'make_supernet',
    'read_config',
    'reconsider',
    'run_search',
    'train',
]
