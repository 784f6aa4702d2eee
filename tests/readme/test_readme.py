"""README.md, the tutorial and two more pages from the first block to the last, as after a fresh clone."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness.process import free_port
from tests.readme.blocks import ROOT, blocks
from tests.readme.clone import copy_project, make_python3, make_venv
from tests.readme.journey import CHECKS, MAY_FAIL, PAGES, QUICKSTART, SHORTER_BENCHMARK, Journey

BLOCKS = [block for page in PAGES for block in blocks((ROOT / page).read_text())]
PORTS = ("8000", "9000")
TOOLS = ("bash", "curl", "git")


@pytest.fixture
def journey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Journey]:
    base = tmp_path_factory.mktemp("new").resolve()
    project = base / "authserver"
    copy_project(project)
    make_venv(project)
    (base / "home").mkdir()
    found = {str(Path(path).parent) for path in map(shutil.which, TOOLS) if path}
    environment = {
        "PATH": ":".join([str(make_python3(base / "bin")), *sorted(found), "/usr/bin", "/bin"]),
        "HOME": str(base / "home"),
        "TMPDIR": str(base / "home"),
    }
    started = Journey(project, base, environment, {port: free_port() for port in PORTS})
    try:
        yield started
    finally:
        started.end()


def test_every_block_is_of_a_kind_that_the_journey_runs() -> None:
    assert {block.kind for block in BLOCKS} <= {"bash", "python", "text", "json", "mermaid"}
    assert all(block.file for block in BLOCKS if block.kind == "python")
    assert BLOCKS[0].text == QUICKSTART
    pasted = [block.name for block in BLOCKS if block.kind == "bash"]
    assert CHECKS.keys() | MAY_FAIL.keys() <= set(pasted)
    assert [name for name in CHECKS if pasted.count(name) > 1] == []


def test_nothing_is_replaced_that_is_not_there() -> None:
    text = "".join(block.text for block in BLOCKS if block.kind in ("bash", "python"))
    assert [missing for missing in (*PORTS, SHORTER_BENCHMARK[0]) if missing not in text] == []
    assert set(re.findall(r"(?:127\.0\.0\.1:|--port )(\d+)", text)) == set(PORTS)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_every_block_runs_in_order_as_a_newcomer_runs_it(journey: Journey) -> None:
    for page in PAGES:
        journey.go(page)
    assert journey.first_terminal is not None
    code = journey.first_terminal.ctrl_c()
    log = journey.first_terminal.log.read_text()
    assert code in (0, 130, -2), log
    assert "Traceback" not in log, log
