"""How much memory an idle server takes. It was 90 MB with the packages that the tests need: the limit leaves room for
other versions of Python and of these packages, and notices a large import."""

from pathlib import Path

import pytest

from tests.harness import procfs
from tests.harness.live import PROGRAM, Live

LIMIT = 110_000_000  # bytes
INTERPRETER = ("-u", *PROGRAM)
"""A new interpreter: PROGRAM itself is forked from a process that has imported everything."""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="no /proc")
def test_an_idle_server_on_sqlite_takes_less_than_110_mb(tmp_path: Path) -> None:
    server = Live(tmp_path)
    server.set_up()
    server.launch(INTERPRETER)
    try:
        server.wait_until_ready()
        assert procfs.memory(server.running.pid) < LIMIT
    finally:
        server.stop()
