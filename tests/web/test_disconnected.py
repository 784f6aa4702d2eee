"""Callers that disconnect while their request waits, on real sockets: nothing more is done for them."""

import json
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from structlog.testing import capture_logs

from authserver.app import create_app
from authserver.passwords import PasswordHasher
from authserver.provisioning import open_database
from authserver.serving.connection import Connection
from authserver.store import authorizations, clients
from authserver.store.database import Database
from tests.api.calling import LOGIN, LOGOUT, REFRESH
from tests.harness.clock import Clock
from tests.harness.constants import LONG, PASSWORD
from tests.harness.sample_database import as_client, settings_in
from tests.web.serving import everything, rows, wait_until
from tests.web.wire import CLOSE, HOST, exchange, parse, post

ADA = {"username": "ada", "password": PASSWORD}
WRONG = "rt_" + "A" * 72


@pytest.fixture
def port(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A server in a thread of this process, with one hashing thread."""
    monkeypatch.setattr("authserver.cpu.available", lambda: 1)
    shutil.copytree(template, tmp_path, dirs_exist_ok=True)
    app = create_app(settings_in(tmp_path), now=Clock())
    server = uvicorn.Server(uvicorn.Config(app, http=Connection, log_config=None, ws="none"))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        wait_until(lambda: server.started)
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join(LONG)


@pytest.fixture
def seen(port: int, tmp_path: Path) -> Iterator[Database]:
    """The server's database, as another process sees it."""
    database = open_database(settings_in(tmp_path), Clock())
    yield database
    database.close()


def by_json(path: str, members: dict[str, Any]) -> bytes:
    body = json.dumps(members).encode()
    head = b"POST " + path.encode() + b" HTTP/1.1\r\n" + HOST + b"Content-Type: application/json\r\n" + CLOSE
    return head + b"Content-Length: %d\r\n\r\n" % len(body) + body


def by_form(path: str, client_id: str = "app", **form: str) -> bytes:
    return post(path.encode(), as_client(client_id) | form)


LOGINS = {"/token": by_form("/token", grant_type="password", **ADA), LOGIN: by_json(LOGIN, ADA)}
OTHERS = {
    "refresh": by_form("/token", grant_type="refresh_token", refresh_token=WRONG),
    "client_credentials": by_form("/token", "machine", grant_type="client_credentials"),
    "/revoke": by_form("/revoke", token=WRONG),
    "/introspect": by_form("/introspect", "machine", token=WRONG),
    REFRESH: by_json(REFRESH, {"refresh_token": WRONG}),
    LOGOUT: by_json(LOGOUT, {"refresh_token": WRONG}),
}


class Held:
    """A method whose calls wait until `go_on`; `arrived` counts them, and `owner` is whose method it is."""

    def __init__(self, method: Callable[..., Any]) -> None:
        self._method, self._opened = method, threading.Event()
        self.arrived, self.calls = threading.Semaphore(0), 0
        self.owner: Any = None

    def __call__(self, owner: Any, *arguments: Any) -> Any:
        self.owner, self.calls = owner, self.calls + 1
        self.arrived.release()
        assert self._opened.wait(LONG)
        return self._method(owner, *arguments)

    def go_on(self) -> None:
        self._opened.set()


@contextmanager
def holding(monkeypatch: pytest.MonkeyPatch, where: Any, name: str) -> Iterator[Held]:
    held = Held(getattr(where, name))
    with monkeypatch.context() as patch:
        patch.setattr(where, name, lambda *arguments: held(*arguments))
        try:
            yield held
        finally:
            held.go_on()


def send(port: int, request: bytes) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), LONG)
    connection.sendall(request)
    return connection


def answer(connection: socket.socket) -> Any:
    with connection:
        return parse(b"".join(iter(lambda: connection.recv(65536), b"")))


@pytest.mark.parametrize("path", LOGINS)
def test_a_login_that_waits_is_not_hashed_any_more(
    port: int, seen: Database, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    with holding(monkeypatch, PasswordHasher, "_match") as hashing:
        stays = send(port, LOGINS[path])
        assert hashing.arrived.acquire(timeout=LONG)
        waiting = hashing.owner._pool._waiting
        gone = send(port, LOGINS[path])
        wait_until(lambda: len(waiting) == 1)
        gone.close()
        wait_until(lambda: not waiting)
    assert answer(stays).status_code == 200
    assert hashing.calls == 1
    assert len(rows(seen, "authorizations")) == 1


@pytest.mark.parametrize("path", LOGINS)
def test_a_login_that_is_being_hashed_begins_nothing(
    port: int, seen: Database, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    with holding(monkeypatch, PasswordHasher, "_match") as hashing, capture_logs() as log:
        gone = send(port, LOGINS[path])
        assert hashing.arrived.acquire(timeout=LONG)
        gone.close()
        assert exchange(port, by_form("/token", "machine", grant_type="client_credentials")).status_code == 200
        hashing.go_on()
        wrong = by_form("/token", grant_type="password", username="ada", password="wrong")
        assert exchange(port, wrong).status_code == 400  # hashed after it
    assert rows(seen, "authorizations") == []
    assert "login" not in [entry["event"] for entry in log]


@pytest.mark.parametrize("request_", (LOGINS | OTHERS).values(), ids=(LOGINS | OTHERS).keys())
def test_a_request_that_waits_for_the_database_is_withdrawn(
    port: int, seen: Database, monkeypatch: pytest.MonkeyPatch, request_: bytes
) -> None:
    before = everything(seen)
    with holding(monkeypatch, Database, "_run_loads") as loading:
        assert loading.arrived.acquire(timeout=LONG)  # the background tasks load something all the time
        gone = send(port, request_)
        wait_until(lambda: waits_for_its_client(loading.owner))
        gone.close()
        wait_until(lambda: not waits_for_its_client(loading.owner))
    assert exchange(port, OTHERS["client_credentials"]).status_code == 200
    assert everything(seen) == before


def waits_for_its_client(server: Any) -> bool:
    """Whether the database's inbox has a request; the background tasks' loads are there too."""
    return any(getattr(ask, "loader", None) is clients.load_many for ask in server._inbox)


@pytest.mark.parametrize("path", LOGINS)
def test_what_has_been_handed_over_stands_and_is_logged(
    port: int, seen: Database, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    with capture_logs() as log:
        with holding(monkeypatch, authorizations, "_values") as committing:
            gone = send(port, LOGINS[path])
            assert committing.arrived.acquire(timeout=LONG)
            gone.close()
            time.sleep(0.05)  # mostly enough for the server to notice; the outcome is the same if it is not
        wait_until(lambda: "login" in [entry["event"] for entry in log])
    assert len(rows(seen, "authorizations")) == 1
