"""SIGTERM closes no connection under a client: every answer says first that it will."""

import http.client
import signal
from pathlib import Path
from typing import Any

from tests.harness.constants import LONG
from tests.harness.live import live


def test_a_kept_connection_is_answered_and_told_to_close_while_the_server_stops(tmp_path: Path) -> None:
    with live(tmp_path) as server:
        kept = http.client.HTTPConnection("127.0.0.1", server.port, timeout=LONG)
        assert _ask(kept) == (200, None)
        server.running.send_signal(signal.SIGTERM)
        while (answer := _ask(kept)) == (200, None):
            pass
        assert answer == (200, "close")
        assert server.running.wait(LONG) in (0, -signal.SIGTERM)
        server.process = None


def _ask(connection: Any) -> Any:
    connection.request("GET", "/health/live")
    answer = connection.getresponse()
    answer.read()
    return answer.status, answer.getheader("connection")
