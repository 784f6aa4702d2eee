"""authserver serve with a management address: its own listener, one sum over all workers, and how it is refused."""

import os
import re
import signal
import socket
from collections.abc import Callable, Mapping
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from tests.cli.test_serve_uds import Caller, wait_until
from tests.harness import procfs
from tests.harness.live import served
from tests.harness.process import free_port
from tests.observability.conftest import samples

STARTS, WORKERS = "authserver_worker_starts_total", "authserver_workers"
LIVE = 'authserver_http_requests_total{endpoint="/health/live",status="2xx"}'


def get(port: int, path: str, method: str = "GET") -> tuple[int, str]:
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request(method, path)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text


def scrape(port: int) -> Mapping[str, float]:
    status, text = get(port, "/metrics")
    assert status == 200
    return samples(text)


def test_workers_share_one_sum_that_a_kill_and_a_reload_never_lower(here: Path) -> None:
    port = free_port()
    with served(here, 2, MANAGEMENT_ADDRESS=f"127.0.0.1:{port}") as server:
        first = server.running.pid
        assert f"Metrics and health checks on http://127.0.0.1:{port}" in server.log.read_text()
        wait_until(lambda: scrape(port)[WORKERS] == 2)
        for _ in range(20):
            assert get(server.port, "/health/live")[0] == 200
        wait_until(lambda: scrape(port)[LIVE] == 20)  # a request is counted when its response has been sent
        assert {scrape(port)[LIVE] for _ in range(6)} == {20}  # whichever worker answers
        assert get(server.port, "/metrics")[0] == 404
        assert get(port, "/health/ready") == (200, '{"status":"ok"}') and get(port, "/metrics", "POST")[0] == 405

        before = scrape(port)
        os.kill(procfs.workers(first)[0], signal.SIGKILL)
        wait_until(lambda: scrape(port)[STARTS] == before[STARTS] + 1)
        assert is_not_lower(before, scrape(port))
        os.kill(first, signal.SIGHUP)
        wait_until(lambda: scrape(port)[STARTS] == before[STARTS] + 3)
        assert is_not_lower(before, scrape(port))
        wait_until(lambda: scrape(port)[WORKERS] == 2)


def is_not_lower(before: Mapping[str, float], after: Mapping[str, float]) -> bool:
    counters = [sample for sample in before if re.search(r"_(total|count|sum|bucket)(\{|$)", sample)]
    return len(counters) > 100 and all(after[sample] >= before[sample] for sample in counters)


def test_one_process_keeps_counting_after_a_reload_on_a_unix_socket_too(here: Path) -> None:
    path = Path("m.sock")  # tests run in this folder, whose own path may be too long for a socket's

    def scrape() -> Mapping[str, float]:
        with closing(Caller(path)) as caller:
            caller.request("GET", "/metrics")
            return samples(caller.getresponse().read().decode())

    with served(here, MANAGEMENT_ADDRESS="unix:m.sock") as server:
        get(server.port, "/health/live")
        wait_until(lambda: scrape()[LIVE] == 1)
        assert path.stat().st_mode & 0o777 == 0o660
        os.kill(server.running.pid, signal.SIGHUP)
        wait_until(lambda: scrape()[STARTS] == 2)
        assert scrape()[LIVE] == 1
    assert not path.exists()


@pytest.mark.parametrize(
    "address",
    [
        *("9100", ":9100", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:65536", "127.0.0.1:http", "http://127.0.0.1:9100"),
        *("metrics.example:9100", "::1:9100", "[::1:9100", "300.0.0.1:9100", "127.0.0.1:9100/metrics", "unix:"),
    ],
)
def test_a_bad_address_is_a_bad_setting(cli: Callable[..., Result], here: Path, address: str) -> None:
    message = cli("serve", "--port", "0", code=78, MANAGEMENT_ADDRESS=address).stderr
    assert message.startswith("Error: AUTHSERVER_MANAGEMENT_ADDRESS")
    assert message.rstrip().endswith("AUTHSERVER_MANAGEMENT_ADDRESS=127.0.0.1:9100")


def test_settings_of_a_server_that_does_not_start_are_not_recorded(cli: Callable[..., Result], here: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = str(other.getsockname()[1])
        for level in ("info", "error"):
            cli("serve", "--port", taken, code=1, LOG_LEVEL=level)
    assert cli("audit", "list", "--event", "settings_changed", "--json").stdout == "[]\n"


def test_a_port_in_use_is_named_with_the_setting_that_chooses_another(cli: Callable[..., Result], here: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        result: Any = cli("serve", "--port", "0", code=1, MANAGEMENT_ADDRESS=f"127.0.0.1:{port}")
    assert result.stderr.rstrip().endswith(
        f"Port {port} is already in use. Choose another:\n\n    AUTHSERVER_MANAGEMENT_ADDRESS=127.0.0.1:{port + 1}"
    )
    assert "listening on" not in result.stderr
