"""The operator's function for claims: what it is told, what becomes of its result, and what happens when it fails."""

import asyncio
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event, Semaphore
from types import ModuleType
from typing import Any

import pytest
from starlette.testclient import TestClient

from authserver import claims_hook, hook_function
from authserver.app import create_app
from authserver.claims_hook import HookCall
from authserver.domain.errors import Misconfigured, Unavailable
from authserver.settings import Settings
from authserver.store import user_claims
from authserver.store.database import Database
from tests.api.introspecting import Introspector
from tests.harness.clock import Clock
from tests.harness.constants import ISSUER, LONG, PASSWORD, SECRET
from tests.harness.sample_database import settings_in
from tests.web.answers import UNAVAILABLE, assert_granted, assert_refused
from tests.web.serving import change_client, rows

module = ModuleType("operators_claims")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_in(tmp_path, claims_hook="operators_claims:hook")


@pytest.fixture
def hooked(
    database: Database, settings: Settings, clock: Clock, monkeypatch: Any
) -> Iterator[Callable[..., TestClient]]:
    """`hooked(function)`: a server with that hook, whose client `app` gets the claims roles and tenant. The function
    has half a minute, for a busy machine; with `hooked(function, 1)`, a second."""
    with database.begin() as connection:
        user_claims.replace(connection, "u_ada", {"roles": ["reader"], "salary": 1})
    change_client(database, "app", access_token_claims=("roles", "tenant"))
    monkeypatch.setitem(sys.modules, "operators_claims", module)
    opened = list[TestClient]()

    def hooked(function: Any, timeout: int = 30) -> TestClient:
        monkeypatch.setattr(module, "hook", function, raising=False)
        given = settings.model_copy(update={"claims_hook_timeout": timeout})
        http = TestClient(create_app(given, now=clock), ISSUER, raise_server_exceptions=False)
        opened.append(http.__enter__())
        return http

    yield hooked
    for http in opened:
        http.__exit__(None, None, None)


def ask(http: TestClient, client_id: str = "app", password: str = "", **more: str) -> Any:
    form = {"grant_type": "password", "username": "ada", "password": password or PASSWORD, "client_id": client_id}
    return http.post("/token", data=form | more)


class Recorder:
    def __init__(self, result: Any = None) -> None:
        self.calls, self.result = list[dict[str, Any]](), result

    def __call__(self, **arguments: Any) -> Any:
        self.calls.append(arguments)
        return self.result


def test_it_is_told_plain_values_and_the_client_gets_the_claims_that_it_names(hooked: Any) -> None:
    hook = Recorder({"roles": ["editor"], "tenant": 7, "other": True})
    http = hooked(hook)
    body = assert_granted(ask(http, scope="read"))
    told = {"subject": "u_ada", "username": "ada", "client_id": "app", "scope": ["read"]}
    assert hook.calls == [told | {"claims": {"roles": ["reader"], "salary": 1}}]
    shown = Introspector(http).shown(body["access_token"])
    assert (shown["roles"], shown["tenant"]) == (["editor"], 7) and "other" not in shown and "salary" not in shown
    renewed = {"grant_type": "refresh_token", "refresh_token": body["refresh_token"], "client_id": "app"}
    assert_granted(http.post("/token", data=renewed))
    assert len(hook.calls) == 2


def test_a_coroutine_function_is_awaited_and_none_adds_nothing(hooked: Any) -> None:
    async def hook(claims: dict[str, Any], **_: Any) -> None:
        await asyncio.sleep(0)
        claims.clear()  # its own copy

    http = hooked(hook)
    assert Introspector(http).shown(assert_granted(ask(http))["access_token"])["roles"] == ["reader"]


def test_it_is_not_called_for_a_client_without_claims_a_wrong_password_or_a_clients_own_token(
    hooked: Any, database: Database
) -> None:
    hook = Recorder({})
    http = hooked(hook)
    change_client(database, "machine", access_token_claims=("roles",))
    assert_granted(ask(http, "other"))
    assert ask(http, password="wrong one").status_code == 400
    own = {"grant_type": "client_credentials"}
    assert_granted(http.post("/token", data=own, auth=("machine", SECRET)))
    assert hook.calls == []


def failing(**_: Any) -> Any:
    raise ValueError("the password is hunter2")


async def failing_later(**_: Any) -> Any:
    raise TimeoutError("hunter2")


def leaving(**_: Any) -> Any:
    sys.exit("hunter2")


async def cancelling(**_: Any) -> Any:
    raise asyncio.CancelledError("hunter2")


async def leaving_later(**_: Any) -> Any:
    sys.exit("hunter2")


def without_any(**_: Any) -> Any:
    return next(iter(()))


async def endless(**_: Any) -> Any:
    await asyncio.Event().wait()


FAULTS = {
    "raises": (failing, "ValueError at test_claims_hook.py:"),
    "raises, as a coroutine": (failing_later, "TimeoutError at test_claims_hook.py:"),
    "leaves": (leaving, "RuntimeError at test_claims_hook.py:"),
    "leaves, as a coroutine": (leaving_later, "RuntimeError at test_claims_hook.py:"),
    "cancels itself": (cancelling, "RuntimeError at test_claims_hook.py:"),
    "finds nothing": (without_any, "RuntimeError at test_claims_hook.py:"),
    "does not end": (endless, "took longer than 1 s"),
    "another signature": (lambda subject: {}, "TypeError at "),
    "no object": (Recorder(["roles"]), "not a JSON object"),
    "a reserved name": (Recorder({"sub": "u_eve"}), "'sub' is reserved"),
    "no JSON": (Recorder({"roles": {1, 2}}), "contains a set"),
    "too large": (Recorder({"roles": "x" * 4096}), "The maximum is 4096"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_no_token_is_issued_without_its_claims(hooked: Any, database: Database, events: Any, fault: str) -> None:
    hook, reason = FAULTS[fault]
    http = hooked(hook, 1 if hook is endless else 30)
    assert_refused(ask(http), UNAVAILABLE)
    (event,) = [event for event in events if event["event"] == "claims_hook_failed"]
    assert reason in event["reason"] and (event["client_id"], event["subject"]) == ("app", "u_ada")
    assert "hunter2" not in str(list(events))
    assert rows(database, "authorizations") == []
    assert_granted(ask(http, "other"))


def test_a_function_that_hangs_holds_up_nobody_else_and_too_many_calls_are_refused(
    hooked: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims_hook, "_THREADS", 1)
    monkeypatch.setattr(claims_hook, "_QUEUE", 1)
    gate, begun = Event(), Semaphore(0)

    def hook(**_: Any) -> dict[str, Any]:
        begun.release()
        assert gate.wait(LONG)
        return {}

    http = hooked(hook, 1)
    try:
        assert_refused(ask(http), UNAVAILABLE)
        assert begun.acquire(timeout=LONG)
        assert_granted(ask(http, "other"))
        assert_refused(ask(http), UNAVAILABLE)
    finally:
        gate.set()
    assert not begun.acquire(blocking=False)


@pytest.mark.anyio
async def test_coroutines_that_run_at_once_are_limited_and_make_room_when_they_end(monkeypatch: Any) -> None:
    monkeypatch.setattr(claims_hook, "_QUEUE", 1)

    async def function(**_: Any) -> dict[str, Any]:
        with pytest.raises(Unavailable, match="queue is full"):
            await hook.claims(call)
        return {"roles": ["editor"]}

    hook, call = claims_hook.ClaimsHook(function, LONG), HookCall("u_ada", "ada", "app", (), {}, ("roles",))
    for _ in range(2):
        assert await hook.claims(call) == {"roles": ["editor"]}
    hook.close()


@pytest.mark.parametrize(
    ("reference", "fault"),
    [
        ("no_such_module:hook", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("json:hook", "AttributeError: module 'json' has no attribute 'hook'"),
        ("json:__name__", "__name__ is not a function"),
        ("broken_claims:hook", "ZeroDivisionError: division by zero"),
    ],
)
def test_a_function_that_cannot_be_loaded_stops_the_start(tmp_path: Path, reference: str, fault: str) -> None:
    (tmp_path / "broken_claims.py").write_text("1 / 0\n")
    with pytest.raises(Misconfigured) as refused:
        create_app(settings_in(tmp_path, claims_hook=reference))
    assert f"AUTHSERVER_CLAIMS_HOOK={reference} cannot be used: {fault}." in str(refused.value)
    assert str(refused.value).endswith("\n\n    AUTHSERVER_CLAIMS_HOOK=my_claims:claims_of")


def test_a_module_in_the_working_folder_is_found_and_hides_no_installed_one(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "claims_of_this_folder.py").write_text("def hook(**_): return {}\n")
    (tmp_path / "colorsys.py").write_text("1 / 0\n")
    assert hook_function.load("X", "claims_of_this_folder:hook", "a:b")() == {}
    assert hook_function.load("X", "colorsys:rgb_to_hls", "a:b")(0, 0, 0) == (0, 0, 0)
