"""Which files a refresh goes through, by a trace of a real one; CONTRIBUTING.md has them as a table."""

import asyncio
import json
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple
from urllib.parse import urlencode

import authlib
import pytest

import authserver
from authserver.app import assemble
from authserver.settings import Settings
from authserver.store.database import Database
from tests.harness.clock import Clock
from tests.harness.constants import PASSWORD

OURS, AUTHLIBS = (Path(package.__path__[0]) for package in (authserver, authlib))
TABLE = re.compile(r"^\| \d+ \| `(.+?)` \|", re.MULTILINE)
CARRIERS = ("web", "oauth", "pipeline")
BELOW = {"domain", "store", "keyring", "clock.py", "system.py"}


class Entered(NamedTuple):
    file: str
    function: str
    caller: str


@dataclass
class Trace:
    """Every entry into a function of ours on the event loop, from the endpoint to the commit."""

    entries: list[Entered] = field(default_factory=list)
    outside: set[str] = field(default_factory=set)
    """What called the endpoint: a coroutine is entered again each time that it goes on."""
    has_begun: bool = False
    is_over: bool = False

    def __call__(self, frame: FrameType, event: str, _: object) -> None:
        path = Path(frame.f_code.co_filename)
        if event != "call" or self.is_over or not path.is_relative_to(OURS):
            return
        entered = Entered(
            str(path.relative_to(OURS)),
            frame.f_code.co_qualname,
            frame.f_back.f_code.co_filename if frame.f_back else "",
        )
        self.has_begun |= entered.function == "FormEndpoint.__call__"
        if not self.has_begun:
            self.outside.add(entered.function)
        elif entered.function not in self.outside:
            self.entries.append(entered)
        self.is_over = entered.function == "Database.write"

    def files(self) -> list[str]:
        """In the order in which they are entered first."""
        return list(dict.fromkeys(entered.file for entered in self.entries))

    def callbacks(self) -> list[str]:
        return [entered.function for entered in self.entries if Path(entered.caller).is_relative_to(AUTHLIBS)]


@contextmanager
def profiled(trace: Trace) -> Iterator[None]:
    before = sys.getprofile()
    sys.setprofile(trace)
    try:
        yield
    finally:
        sys.setprofile(before)


async def post(app: Any, **form: str) -> dict[str, Any]:
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": urlencode({"client_id": "app"} | form).encode()}

    async def send(message: Any) -> None:
        sent.append(message)

    form_type = (b"content-type", b"application/x-www-form-urlencoded")
    scope = {"type": "http", "http_version": "1.1", "method": "POST", "path": "/token", "raw_path": b"/token"}
    address = {"root_path": "", "query_string": b"", "client": ("192.0.2.7", 50000), "server": ("as.example", 443)}
    await app({**scope, **address, "headers": [(b"host", b"as.example"), form_type]}, receive, send)
    answer: dict[str, Any] = json.loads(sent[1]["body"])
    return answer


@pytest.fixture
def trace(settings: Settings, database: Database, clock: Clock) -> Trace:
    assembly, trace = assemble(settings, now=clock), Trace()
    app = assembly.app

    async def refresh_twice() -> None:
        """The second is traced: by then the client is in the cache, as it nearly always is."""
        tokens = await post(app, grant_type="password", username="ada", password=PASSWORD)
        tokens = await post(app, grant_type="refresh_token", refresh_token=tokens["refresh_token"])
        with profiled(trace):
            assert "access_token" in await post(app, grant_type="refresh_token", refresh_token=tokens["refresh_token"])

    asyncio.run(refresh_twice())
    assembly.close()
    assert trace.is_over
    return trace


def test_at_most_12_files_carry_a_refresh_and_contributing_lists_them_in_order(trace: Trace) -> None:
    carriers = [file for file in trace.files() if Path(file).parts[0] in CARRIERS]
    assert carriers == TABLE.findall((OURS.parent / "CONTRIBUTING.md").read_text())
    assert len(carriers) <= 12


def test_the_other_files_lie_in_the_layers_below(trace: Trace) -> None:
    assert {Path(file).parts[0] for file in trace.files()} - set(CARRIERS) == BELOW


def test_of_authlibs_callbacks_one_does_work(trace: Trace) -> None:
    """The others hand over what is there already."""
    assert set(trace.callbacks()) == {
        "Grant.__init__",
        "AuthlibRequest.form",
        "Grant.authenticate_token_endpoint_client",
        "RefreshTokenGrant.authenticate_refresh_token",
        "Credential.check_client",
    }
    assert reached_from("Grant.authenticate_token_endpoint_client", trace) == {
        "oauth/client_auth.py",
        "pipeline/handler.py",
    }
    assert reached_from("Credential.check_client", trace) == set()
    assert {"domain/rotation.py", "keyring/keyring.py"} <= reached_from(
        "RefreshTokenGrant.authenticate_refresh_token", trace
    )


def reached_from(callback: str, trace: Trace) -> set[str]:
    """The other files that are entered from it before Authlib goes on."""
    start = next(place for place, entered in enumerate(trace.entries) if entered.function == callback)
    home, reached = trace.entries[start].file, set()
    for entered in trace.entries[start + 1 :]:
        if Path(entered.caller).is_relative_to(AUTHLIBS) or entered.function.endswith(".issue"):
            break
        reached.add(entered.file)
    return reached - {home}
