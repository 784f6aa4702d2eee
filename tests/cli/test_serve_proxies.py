"""`authserver serve`: uvicorn itself believes nobody; AUTHSERVER_TRUSTED_PROXIES says who is believed."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import pytest

from tests.cli.backups import sql
from tests.harness.constants import PASSWORD
from tests.harness.live import live
from tests.harness.process import run


@pytest.mark.parametrize(
    ("trusted", "network"), [({}, "127.0.0.0/24"), ({"TRUSTED_PROXIES": "127.0.0.1"}, "203.0.113.0/24")]
)
def test_a_caller_on_loopback_is_a_proxy_only_if_the_setting_says_so(
    tmp_path: Path, trusted: Any, network: str
) -> None:
    with live(tmp_path, **trusted) as server:
        form = {"grant_type": "password", "client_id": server.app["client_id"], "username": "ada", "password": PASSWORD}
        headers = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https"}
        with urlopen(Request(f"{server.url}/token", urlencode(form).encode(), headers), timeout=60) as answer:
            assert json.load(answer)["access_token"]
    assert sql(tmp_path / "authserver.db", "SELECT rotated_from FROM authorizations") == [(network,)]


def test_a_word_that_is_no_proxy_stops_the_start_with_the_line_to_write(tmp_path: Path) -> None:
    answer = run("config", "check", folder=tmp_path, check=False, settings={"TRUSTED_PROXIES": "0.0.0.0/0"})
    assert answer.returncode == 78
    assert "which is every address" in answer.stderr
    assert answer.stderr.rstrip().endswith("AUTHSERVER_TRUSTED_PROXIES=127.0.0.1,10.0.0.0/8")
