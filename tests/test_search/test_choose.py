"""Which candidate is handed over, and what is said where it is not what the search measured."""

from __future__ import annotations

import pytest
from mmengine.config import Config

from nasvit_mm.errors import UsageError
from nasvit_mm.search import Archive, choose, export_choice, front, read_search, search
from nasvit_mm.search.config import CONTENT_KEY
from nasvit_mm.search.handover import searched_in_task, supernet_options, unlike_search
from tests.commands import ROOT
from tests.test_search.toy import Toy  # noqa: F401  registered

CONFIG = dict(
    space=dict(space='nasvit', restrict=dict(resolution=[64])),
    task=str(ROOT / 'configs/seg/nasvit_ade20k.py'),
    input_size=[64, 64],
    objectives=['macs', dict(metric='params', goal='max')],
    constraints=[dict(metric='backbone.params', high=1e9)],
    algorithm=dict(type='random', population=6, generations=1),
)


@pytest.fixture(scope='module')
def searched(tmp_path_factory):
    """The plan of a search by costs, its folder, and its records."""
    folder, plan = tmp_path_factory.mktemp('search'), read_search(Config(CONFIG))
    archive = Archive.open(folder, plan.identity)
    return plan, folder, search(plan.problem, plan.algorithm, archive)


@pytest.mark.parametrize(
    ('best', 'place'), [(None, 0), ('macs', 0), ('params', -1), ('backbone.params', 0)]
)
def test_the_best_of_the_front(best, place, searched):
    plan, folder, records = searched
    ends = sorted(front(plan.problem, records), key=lambda r: r['costs'][best or 'macs'])
    choice = choose(plan, folder, 'search.py', best=best)
    assert choice.arch.to_dict() == ends[place]['arch'] and not choice.changed
    assert choice.name == str(ends[place]['index']) == str(choice.origin['candidate'])


def test_a_candidate(searched):
    plan, folder, records = searched
    choice = choose(plan, folder, 'search.py', candidate=3)
    assert choice.arch.to_dict() == records[3]['arch']
    assert choice.origin['archive'] == str(folder / 'archive.jsonl')
    assert f'macs {records[3]["costs"]["macs"]:.6g}' in choice.origin['measured in the search']


def test_an_architecture_by_hand(searched):
    """It takes over what the searched space has fixed."""
    plan, folder, _ = searched
    choice = choose(plan, folder, 'search.py', arch='nasvit_min')
    assert choice.arch['resolution'] == 64 and choice.arch['width'][-1] == 1984
    assert choice.origin == dict(chosen='by hand: nasvit_min')
    assert choose(plan, folder, 'search.py', arch='smallest').name == 'smallest'


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(candidate=6), '--candidate 6: .*archive.jsonl has 0 to 5'),
        (dict(candidate=-1), '--candidate -1'),
        (dict(best='mIoU'), "--best = 'mIoU', allowed: macs, params, backbone.params"),
        (dict(arch='nasvit_mid'), "--arch: unknown nasvit architecture 'nasvit_mid'"),
    ],
)
def test_mistakes(options, message, searched):
    plan, folder, _ = searched
    with pytest.raises(UsageError, match=message):
        choose(plan, folder, 'search.py', **options)


def test_a_search_that_has_not_begun(searched, tmp_path):
    with pytest.raises(UsageError, match='holds no candidate: run tools/search.py search.py'):
        choose(searched[0], tmp_path, 'search.py')


def test_another_supernet_than_was_searched(searched, tmp_path):
    """The archive is read all the same, and it is said."""
    plan, _, records = searched
    archive = Archive.open(tmp_path, {**plan.identity, CONTENT_KEY: dict(checkpoint='a')})
    archive.append(records[0])
    archive.close()
    assert choose(plan, tmp_path, 'search.py').changed


def test_without_weights(searched, tmp_path):
    plan, folder, _ = searched
    choice, out = choose(plan, folder, 'search.py'), tmp_path / 'out'
    with pytest.raises(UsageError, match='the search has no supernet: give --checkpoint, or --fr'):
        export_choice(plan, choice, out, (64, 64))
    done = export_choice(plan, choice, out, (64, 64), from_scratch=True)
    assert (out / 'config.py') in done.paths and not done.warnings
    other = choose(plan, folder, 'search.py', arch='nasvit_max')
    with pytest.raises(UsageError, match='holds an export of another architecture'):
        export_choice(plan, other, out, (64, 64), from_scratch=True)
    export_choice(plan, other, out, (64, 64), from_scratch=True, force=True)


def test_metrics_that_are_not_the_searchs():
    found = dict(mIoU=40.0, aAcc=80.0, other=1.0)
    assert unlike_search(found, dict(mIoU=40.0, aAcc=79.0)) == dict(aAcc=80.0)
    phases = {'mIoU': 40.0, 'phase0/mIoU': 41.0}  # the mean; the first is exported
    assert unlike_search(phases, dict(mIoU=41.0)) == {}


def test_the_supernet_among_several_evaluators():
    toy = dict(type='Toy')
    net = dict(type='SupernetEvaluator', checkpoint='none.pth')
    cfg = dict(CONFIG, objectives=['score', 'mIoU'], evaluators=[toy, net])
    options = supernet_options(read_search(Config(cfg)))
    assert options == net and not searched_in_task(options)  # its file is not there
    assert supernet_options(read_search(Config(CONFIG))) == {}
