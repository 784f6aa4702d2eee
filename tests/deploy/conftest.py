from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness.live import Live
from tests.harness.process import wait_until_listening

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
        wait_until_listening(live.port, live.running, live.log)
        yield live
    finally:
        live.kill()
