"""Bad input gives one message and exit code 2 within seconds, on one process and on three ranks.

tests/mistakes.py has the mistakes. All are made in one process here, or in one job of three
ranks; `python scripts/write_mistakes.py --processes` makes each in a process and a job of its own.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import launch
import make_mistakes
import mistakes
import pytest

NAMES = [
    f"{part}: {mistake.what}" for part, group in mistakes.MISTAKES.items() for mistake in group
]
ALL = [mistake for group in mistakes.MISTAKES.values() for mistake in group]


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """What came of every mistake, by number of ranks; made when it is first asked for."""
    made = {}

    def of(ranks):
        if ranks not in made:
            folder = tmp_path_factory.mktemp(f"ranks-{ranks or 'none'}")
            make_mistakes.prepare(folder)
            words = (sys.executable, make_mistakes.__file__, folder)
            done = launch.run(*words, ranks=ranks, timeout=250)
            assert done.returncode == 0, done.stderr
            made[ranks] = json.loads(done.stdout), set(folder.iterdir())
        return made[ranks]

    return of


def test_there_are_enough():
    assert len(NAMES) == len(set(NAMES)) >= 100


@pytest.mark.parametrize("ranks", [None, 3])
@pytest.mark.parametrize("number", range(len(ALL)), ids=NAMES)
def test_one_message(results, number, ranks):
    result = results(ranks)[0][number]
    assert result["codes"] == [2] * (ranks or 1), result["errors"]
    lines = result["errors"].splitlines()
    assert len(lines) == 1, result["errors"]
    assert lines[0].startswith("error: ")
    assert len(lines[0]) < 700
    for word in ALL[number].words:
        assert word in lines[0], lines[0]
    assert result["seconds"] < 5.0


@pytest.mark.parametrize("ranks", [None, 3])
def test_nothing_is_left_over(results, ranks):
    assert not {path.name for path in results(ranks)[1]} & {"new", "new.csv", "noise"}


def test_the_documentation_has_the_messages(results):
    from importlib.util import module_from_spec, spec_from_file_location

    script = Path(__file__).parents[2] / "scripts" / "write_mistakes.py"
    spec = spec_from_file_location("write_mistakes", script)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    found, files = results(None)
    folder = next(iter(files)).parent
    page = module.page([result["errors"] for result in found], folder)
    assert page == (Path(__file__).parents[2] / "docs" / "reference" / "mistakes.md").read_text()
