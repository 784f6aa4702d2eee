"""README.md from its first block to its last, as somebody does who has just cloned the project."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness.process import free_port
from tests.readme.blocks import README, blocks
from tests.readme.clone import copy_project, make_python3, make_venv
from tests.readme.journey import CHECKS, MAY_FAIL, QUICKSTART, SHORTER_BENCHMARK, Journey

BLOCKS = blocks(README.read_text())
PORTS = ("8000", "9000", "8100")
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
    files = {block.name for block in BLOCKS if block.kind == "python"}
    assert {block.kind for block in BLOCKS} == {"bash", "python"}
    assert files == {block.name for block in BLOCKS if block.file}
    assert BLOCKS[0].text == QUICKSTART
    pasted = [block.name for block in BLOCKS[1:] if block.kind == "bash"]
    assert sorted(pasted) == sorted(CHECKS)
    assert set(MAY_FAIL) <= set(CHECKS)


def test_nothing_is_replaced_that_is_not_there() -> None:
    text = "".join(block.text for block in BLOCKS)
    assert [missing for missing in (*PORTS, SHORTER_BENCHMARK[0]) if missing not in text] == []
    assert set(re.findall(r"(?:127\.0\.0\.1:|--port )(\d+)", text)) == set(PORTS)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_every_block_runs_in_order_as_a_newcomer_runs_it(journey: Journey) -> None:
    for block in BLOCKS:
        journey.go(block)
    assert journey.first_terminal is not None
    code = journey.first_terminal.ctrl_c()
    log = journey.first_terminal.log.read_text()
    assert code in (0, 130, -2), log
    assert "Traceback" not in log, log
