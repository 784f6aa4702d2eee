"""A small version of scripts/bench/fuzz/mutation_tests.py: bugs of each kind are caught, and its own silence is not."""

import re
from pathlib import Path

import pytest

from scripts.bench.fuzz import mutation_tests
from scripts.bench.fuzz.mutation_tests import ANSWERED, BUGS, JUDGED, NO_BUG, RACED, Run, hunt, is_caught, plant_and_run

QUICK = tuple(next(bug for bug in BUGS if bug.tests == tests) for tests in (JUDGED, ANSWERED, RACED))


def test_there_are_ten_and_each_fits_the_code_exactly_once(tmp_path: Path) -> None:
    assert len({bug.plant.what for bug in BUGS}) == 10
    for number, bug in enumerate(BUGS):
        bug.plant.put_into(tmp_path / str(number))
        planted = (tmp_path / str(number) / "authserver" / bug.plant.file).read_text()
        compile(planted, bug.plant.file, "exec")
        assert bug.plant.new in planted and bug.plant.old not in planted


def test_bugs_of_each_kind_are_caught_and_no_bug_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    assert hunt(QUICK), capsys.readouterr().out
    told = capsys.readouterr().out.splitlines()
    assert len(told) == 1 + len(QUICK) and all(re.match(r"ok +\d+\.\d s  ", line) for line in told)


def test_a_bug_that_no_test_sees_is_told_and_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        mutation_tests, "plant_and_run", lambda plant, *tests: Run(True, None, 0.1, "what the tests said")
    )
    assert mutation_tests.main([]) == mutation_tests.main(["--machine"]) == 1
    told = capsys.readouterr().out
    assert told.count("FAILED") == 20 and told.count("what the tests said") == 20


def test_tests_that_did_not_run_have_seen_nothing() -> None:
    run = plant_and_run(NO_BUG, "tests/pipeline/ledger.py")
    assert not run.passed and not is_caught(run)
