"""authserver.testing: what a test does not see of its issuer: the start, the port, the log."""

import logging
import socket
import threading
from asyncio import sleep
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import replace
from typing import Any

import pytest
import structlog

from authserver.testing import issuer as issuer_fixture
from authserver.testing import running_issuer, server
from tests.harness.constants import PASSWORD

issuer = issuer_fixture


@pytest.fixture(autouse=True)
def not_configured() -> Iterator[None]:
    """Nobody has configured structlog, whatever ran before in this process."""
    before = structlog.get_config() if structlog.is_configured() else None
    structlog.reset_defaults()
    yield
    structlog.reset_defaults()
    if before is not None:
        structlog.configure(**before)


@pytest.fixture
def refuses(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """From when it is called, applications raise OSError at their start."""
    assemble = server.assemble  # type: ignore[attr-defined]

    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise OSError("nothing works")

    return lambda: monkeypatch.setattr(
        server, "assemble", lambda *args, **how: replace(assemble(*args, **how), app=app)
    )


def test_a_start_that_fails_is_raised_and_leaves_nothing(refuses: Any) -> None:
    refuses()
    before = set(threading.enumerate())
    with pytest.raises(OSError, match="nothing works"), running_issuer():
        raise AssertionError("there is no issuer")
    assert not set(threading.enumerate()) - before


def test_a_start_after_an_outage_that_fails_is_raised(issuer: Any, refuses: Any) -> None:
    with pytest.raises(OSError, match="nothing works"), issuer.down():
        refuses()


def test_a_start_that_hangs_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await sleep(3)

    assemble = server.assemble  # type: ignore[attr-defined]
    monkeypatch.setattr(server, "assemble", lambda *args, **how: replace(assemble(*args, **how), app=app))
    monkeypatch.setattr(server, "_PATIENCE", 0.2)
    with pytest.raises(TimeoutError, match=r"not up within 0\.2 s"), running_issuer():
        raise AssertionError("there is no issuer")


@pytest.mark.parametrize("name", ["issuer", "database_url", "key_encryption_key"])
def test_what_the_issuer_chooses_itself_is_refused_in_words(name: str) -> None:
    with pytest.raises(ValueError, match=f"running_issuer chooses {name} itself"), running_issuer(**{name: "x"}):
        raise AssertionError("there is no issuer")


def test_nobody_else_gets_the_port_at_any_moment(issuer: Any) -> None:
    """Not even a server that asks for ports with SO_REUSEADDR, as servers do."""
    port, taken, ended = int(issuer.url.rpartition(":")[2]), [], threading.Event()

    def take() -> None:
        while not ended.is_set():
            with closing(socket.socket()) as other, suppress(OSError):
                other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                other.bind(("127.0.0.1", port))
                taken.append(port)

    thread = threading.Thread(target=take)
    thread.start()
    try:
        for _ in range(2):
            with issuer.down(), pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", port))
            socket.create_connection(("127.0.0.1", port)).close()
    finally:
        ended.set()
        thread.join()
    assert not taken


def test_the_log_goes_to_logging_without_secrets(
    issuer: Any, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    log = structlog.get_logger("authserver")
    try:
        password = PASSWORD
        raise RuntimeError(f"rt_{'x' * 30} is broken")
    except RuntimeError:
        log.exception("failed", token=password)
    assert capfd.readouterr() == ("", "")
    (record,) = [record for record in caplog.records if record.name == "authserver"]
    assert record.levelname == "ERROR" and "RuntimeError: [redacted] is broken" in record.message
    assert PASSWORD not in caplog.text and "xxx" not in caplog.text


def test_logging_is_as_it_was(capfd: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    before = (root.level, list(root.handlers), structlog.is_configured())
    with running_issuer(), running_issuer():
        pass
    assert (root.level, list(root.handlers), structlog.is_configured()) == before


def test_a_configuration_of_structlog_is_kept() -> None:
    structlog.configure(processors=[structlog.processors.JSONRenderer()])
    mine = structlog.get_config()["processors"]
    with running_issuer():
        assert structlog.get_config()["processors"] is mine
    assert structlog.get_config()["processors"] is mine


def test_the_body_of_a_request_that_offers_to_upgrade_is_read_as_by_serve(issuer: Any) -> None:
    port = int(issuer.url.rpartition(":")[2])
    body = b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
    head = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall(head + b"Content-Length: %d\r\n\r\n" % len(body))
        received = connection.recv(65536)
        connection.sendall(body + b"GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        while piece := connection.recv(65536):
            received += piece
    assert (received.count(b"HTTP/1.1 200 "), received.count(b"HTTP/1.1 ")) == (2, 2)
