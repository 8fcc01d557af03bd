"""Steps are skipped once their result stands, and only then."""

from __future__ import annotations

from pathlib import Path

import pytest

from nasvit_mm.auto import Chain, Step, chain


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The commands that ran; each writes its last argument."""
    commands: list[str] = []

    def call(command: tuple[str, ...], folder: Path) -> None:
        commands.append(command[0])
        Path(command[-1]).write_text('done')

    monkeypatch.setattr(chain, 'call', call)
    return commands


def go(folder: Path, **changes: tuple[str, ...]) -> None:
    made = Chain(folder, folder, 3)
    for name in 'abc':
        result = folder / name
        command = (name, *changes.get(name, ()), str(result))
        made.run(Step(name, f'doing {name}', command, result))


def test_a_second_run_does_nothing(tmp_path: Path, ran: list[str], capsys) -> None:
    go(tmp_path), go(tmp_path)
    assert ran == ['a', 'b', 'c']
    assert capsys.readouterr().out.count('there already') == 3


def test_what_follows_a_lost_result_runs_again(tmp_path: Path, ran: list[str]) -> None:
    go(tmp_path)
    (tmp_path / 'b').unlink()
    go(tmp_path)
    assert ran == ['a', 'b', 'c', 'b', 'c']


def test_what_depends_on_its_command_alone_stays(tmp_path: Path, ran: list[str]) -> None:
    made = Chain(tmp_path, tmp_path, 4)
    for name in 'aba':
        made.run(Step(name, '', (name, str(tmp_path / name)), tmp_path / name, alone=name == 'a'))
    assert ran == ['a', 'b']


def test_what_follows_another_command_runs_again(tmp_path: Path, ran: list[str]) -> None:
    go(tmp_path), go(tmp_path, b=('--more',))
    assert ran == ['a', 'b', 'c', 'b', 'c']


def test_a_failed_step_is_not_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(command: tuple[str, ...], folder: Path) -> None:
        Path(command[-1]).write_text('half')
        raise SystemExit(2)

    monkeypatch.setattr(chain, 'call', fail)
    with pytest.raises(SystemExit):
        go(tmp_path)
    assert Chain(tmp_path, tmp_path, 3).done == {}


@pytest.mark.parametrize(
    'line',
    [
        '12 of 40 candidates, generation 2 of 5, best mIoU 31.2, 0:01:10 left',
        'networks: 12 of 150',
        'checking the train data, image and mask: 319 of 367',
        '11/29 17:38:10 - mmengine - INFO - Iter(train) [ 25/155]  lr: 1.8e-03  loss: 0.9',
    ],
)
def test_progress_of_a_command_is_shown(line: str) -> None:
    assert chain.SHOWN.search(line) and not chain.SHOWN.search(f'# {line[:9]}')


@pytest.mark.slow
def test_a_command_that_fails_shows_its_error(tmp_path: Path, capfd) -> None:
    with pytest.raises(SystemExit) as stop:
        chain.call(('train', 'nowhere.py'), tmp_path)
    assert stop.value.code == 2 and 'error: ' in capfd.readouterr().err
