"""scripts/bench/speed/instructions.py: the gate. How many instructions the two requests of every day take may not grow.

If it fails, find out by `instructions.py --compare main` which step grew. If what is new is worth that much, write the
new number into instructions.json by hand; and if requests have become cheaper, the smaller one.
"""

import json
import sys
from pathlib import Path

import pytest

from scripts.bench.speed import callgrind
from scripts.bench.speed.instructions import TOTAL, Counts, count, parts, table, total

GATE = json.loads(Path(__file__).with_name("instructions.json").read_text())
MAY_GROW = 0.03


@pytest.fixture(scope="module")
def counts() -> Counts:
    if why := callgrind.missing():
        pytest.skip(why)
    if sys.version != GATE["python"]:
        pytest.skip(f"instructions.json has the numbers of another build of Python: {GATE['python']}")
    return count(tuple(GATE["instructions"]), TOTAL, rounds=1)


@pytest.mark.slow
@pytest.mark.parametrize("operation", GATE["instructions"])
def test_a_request_takes_hardly_more_instructions_than_the_number_in_the_repository(
    counts: Counts, operation: str
) -> None:
    assert total(counts[operation]) <= GATE["instructions"][operation] * (1 + MAY_GROW)


def test_the_table_has_each_step_without_those_that_it_contains() -> None:
    steps = {"event_loop": 100_000, "application": 70_000, "endpoint": 60_000, "pipeline": 40_000, "render": 5_000}
    inner = dict.fromkeys(("accept_client", "load", "count", "authenticate", "decide", "sign", "commit"), 5_000)
    database = {"database": 20_000, "database_loads": 8_000, "database_commits": 9_000}
    every_step = steps | inner | database | {"collector": 1_000}
    found = parts(every_step)
    assert sum(found.values()) == total(every_step) == 120_000
    assert (found["HTTP and event loop"], found["parse"], found["pipeline"]) == (30_000, 15_000, 5_000)
    assert [line.split()[-1] for line in table({"refresh": every_step}).splitlines()[-2:]] == ["120", "1"]


def test_a_machine_without_valgrind_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert "valgrind" in (callgrind.missing() or "")
