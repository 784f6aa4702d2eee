import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness.constants import LONG
from tests.harness.live import Live

DEPLOY = Path(__file__).parents[2] / "scripts" / "deploy"
HOST = "login.example.com"
ISSUER = f"https://{HOST}/auth"


@pytest.fixture(scope="session")
def deploy() -> Path:
    return DEPLOY


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    live = Live(tmp_path_factory.mktemp("server"), ISSUER=ISSUER, TRUSTED_PROXIES="127.0.0.1")
    live.set_up()
    live.launch()
    try:
        wait_for(live.port, live.process, live.log)
        yield live
    finally:
        live.kill()


def wait_for(port: int, process: "subprocess.Popen[bytes] | None", log: Path) -> None:
    deadline = time.monotonic() + LONG
    assert process is not None
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline
            time.sleep(0.02)
        else:
            return
