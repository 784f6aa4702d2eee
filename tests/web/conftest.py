"""Beside tests/conftest.py: a database that is copied instead of made, time that passes for the keys too, the log."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from authserver.background import INTERVALS
from authserver.domain.models import Client, User
from authserver.pipeline.errors import Stale
from authserver.pipeline.handler import Handler
from authserver.pipeline.pipeline import Pipeline
from authserver.provisioning import open_database
from authserver.settings import Settings
from authserver.store import clients, users
from authserver.store.database import Database
from tests.harness.browser import CALLBACK, VERIFIER, Browser
from tests.harness.clock import Clock
from tests.harness.constants import AUDIENCE
from tests.harness.live import Live, live
from tests.harness.sample_database import populated, settings_in
from tests.web.answers import assert_granted
from tests.web.mailing import mailing_to
from tests.web.serving import LocalServer, serving, wait_until_ready


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory, password_hash: str) -> Path:
    """A folder with the database and the keys of tests/conftest.py's `database`, closed."""
    folder, clock = tmp_path_factory.mktemp("template"), Clock()
    populated(settings_in(folder), clock, password_hash).close()
    return folder


@pytest.fixture
def settings(tmp_path: Path, request: pytest.FixtureRequest) -> Settings:
    """`@pytest.mark.parametrize("settings", [{"max_authorizations": 2}], indirect=True)` gives a server its own."""
    return settings_in(tmp_path, **getattr(request, "param", {}))


@pytest.fixture
def database(template: Path, tmp_path: Path, settings: Settings, clock: Clock) -> Iterator[Database]:
    shutil.copytree(template, tmp_path, dirs_exist_ok=True)
    database = open_database(settings, clock)
    yield database
    database.close()


@pytest.fixture(scope="module")
def shared(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    """One server for a module whose tests do not get into each other's way."""
    with serving(template, tmp_path_factory.mktemp("shared"), Clock()) as server:
        yield server


@pytest.fixture(autouse=True)
def brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Key state is read every 10 ms, and whenever a request asks for it."""
    monkeypatch.setitem(INTERVALS, "read_keys", 0.01)
    monkeypatch.setitem(INTERVALS, "follow_clock", 0.01)
    monkeypatch.setattr("authserver.app.RELOAD_INTERVAL", 0)


@pytest.fixture
def mailing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The settings of a server that writes its mails into a folder, at once."""
    monkeypatch.setitem(INTERVALS, "deliver_outbox", 0.01)
    return mailing_to(tmp_path / "mails")


@pytest.fixture
def signed_in(browser: Browser) -> Browser:
    """ada has signed in, and agreed."""
    browser.code()
    return browser


@pytest.fixture
def bob(database: Database, password_hash: str, clock: Clock) -> str:
    with database.begin() as connection:
        users.add(connection, User("u_bob", "bob", password_hash, created_at=clock()))
    return "bob"


@pytest.fixture
def begins_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each request begins again once, after what it tries was counted: a concurrent commit has won."""
    decide = Pipeline._decide

    async def first_stale(self: Pipeline, handler: Handler[Any]) -> Any:
        if handler.attempt.number == 0:
            raise Stale
        return await decide(self, handler)

    monkeypatch.setattr(Pipeline, "_decide", first_stale)


@pytest.fixture
def refresh(token: Callable[..., Any]) -> Callable[..., Any]:
    """`refresh(text, "web", scope=...)`: the response."""
    return lambda text, client_id="app", **more: token("refresh_token", client_id, refresh_token=text, **more)


@pytest.fixture
def relying_party(database: Database) -> Client:
    """The public client `sso`, which signs users in."""
    client = Client(
        id="sso",
        name="An <b>app",
        auth_method="none",
        grant_types=frozenset({"authorization_code", "refresh_token"}),
        scope=("openid", "profile", "email", "offline_access", "read"),
        audiences=(AUDIENCE, "https://other.example"),
        redirect_uris=(CALLBACK, "http://127.0.0.1/cb", "com.example.app:/cb"),
    )
    with database.begin() as connection:
        clients.add(connection, client)
    return client


@pytest.fixture
def browser(relying_party: Client, http: TestClient) -> Browser:
    return Browser(http)


@pytest.fixture
def redeem(http: TestClient) -> Callable[..., Any]:
    """`redeem(code)` sends the code to /token as the client `sso`; None leaves a parameter out."""

    def redeem(code: str, **changes: Any) -> Any:
        form = {
            "grant_type": "authorization_code",
            "client_id": "sso",
            "code": code,
            "redirect_uri": CALLBACK,
            "code_verifier": VERIFIER,
        } | changes
        return http.post("/token", data={name: value for name, value in form.items() if value is not None})

    return redeem


@pytest.fixture
def rotated(login: Callable[..., Any], refresh: Callable[..., Any]) -> Callable[..., list[str]]:
    """`rotated(3)` logs ada in and refreshes three times; returns the tokens of all generations."""

    def rotated(times: int, client_id: str = "app") -> list[str]:
        tokens = [login(client_id)["refresh_token"]]
        for _ in range(times):
            tokens.append(assert_granted(refresh(tokens[-1], client_id))["refresh_token"])
        return tokens

    return rotated


@pytest.fixture
def later(http: TestClient, clock: Clock) -> Callable[[float], None]:
    """`later(86400)` moves the clock, and waits until the server has read its keys at that time."""

    def later(seconds: float) -> None:
        clock.forward(seconds)
        wait_until_ready(http)

    return later


@pytest.fixture
def from_host(http: TestClient, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """`from_host("192.0.2.7")`: the next requests come from there."""
    return lambda host: monkeypatch.setattr(http._transport, "client", (host, 50000))


@pytest.fixture(scope="session")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A server as a process of its own, for what only bytes on the wire can show."""
    with live(tmp_path_factory.mktemp("real"), LOG_LEVEL="debug") as server:
        yield server
