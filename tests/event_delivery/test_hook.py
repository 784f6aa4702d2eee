"""The operator's function is called with each event, and cannot disturb a request."""

import sys
from collections.abc import Callable
from pathlib import Path
from threading import Event
from types import ModuleType
from typing import Any

import pytest

from authserver.app import assemble
from authserver.domain.errors import Misconfigured
from authserver.event_delivery import hook
from authserver.settings import Settings, load
from tests.event_delivery.conftest import Node
from tests.event_delivery.test_webhook import log_in
from tests.harness.clock import Clock
from tests.harness.constants import ISSUER, LONG

NewNode = Callable[[], Node]
Happen = Callable[..., None]


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The operator's module: `calls` are the events that its function got, `before` runs before each."""
    module: Any = ModuleType("operators_audit")
    module.calls, module.before = [], lambda event: None

    def on_event(event: dict[str, Any]) -> None:
        module.before(event)
        module.calls.append(event)

    module.on_event = on_event
    monkeypatch.setitem(sys.modules, "operators_audit", module)
    return module


@pytest.fixture
def settings(tmp_path: Path, called: Any) -> Settings:
    url, keys = f"sqlite:///{tmp_path}/as.db", str(tmp_path / "keys")
    return load(issuer=ISSUER, database_url=url, keys_dir=keys, audit_hook="operators_audit:on_event")


def names(called: Any) -> list[str]:
    return [event["event"] for event in called.calls]


def test_the_function_gets_each_event_as_plain_values(called: Any, node: NewNode) -> None:
    server = node()
    log_in(server.http)
    server.deliver()
    event = called.calls[-1]
    assert (event["event"], event["user"], event["actor"][:5]) == ("login", "ada", "user:")
    assert all(value is None or type(value) in (int, str) for value in event.values())


def test_an_error_is_logged_without_its_text_and_repeated_from_that_event_on(
    called: Any, node: NewNode, happen: Happen, clock: Clock, events: list[Any]
) -> None:
    def refuse(event: dict[str, Any]) -> None:
        if event["event"] == "e17":
            raise ValueError("a secret")

    called.before = refuse
    happen(*(f"e{number}" for number in range(25)))
    server = node()
    server.deliver()
    assert names(called)[-1] == "e16"
    called.before = lambda event: None
    clock.forward(5)
    server.deliver()
    assert names(called)[-25:] == [f"e{number}" for number in range(25)]
    [failed] = [event for event in events if event["event"] == "event_delivery_failed"]
    assert failed["to"] == "hook" and failed["reason"].startswith("ValueError at test_hook.py:")
    assert not [event for event in events if event["event"] == "events_deleted_undelivered"]


def test_a_function_that_hangs_is_left_and_delays_no_request(
    called: Any, node: NewNode, happen: Happen, events: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, may_end = Event(), Event()

    def hang(event: dict[str, Any]) -> None:
        begun.set()
        may_end.wait(LONG)

    monkeypatch.setattr(hook, "TIMEOUT", 0.2)
    called.before = hang
    happen("one")
    server = node()
    running = server.start_delivering()
    assert begun.wait(LONG)
    log_in(server.http)
    running.result(LONG)
    may_end.set()
    [failed] = [event for event in events if event["event"] == "event_delivery_failed"]
    assert failed["reason"] == "The audit hook took longer than 0.2 s."


def test_a_function_that_hangs_is_not_called_again_before_it_has_ended(
    called: Any, node: NewNode, happen: Happen, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, may_end = list[int](), Event()

    def hang(event: dict[str, Any]) -> None:
        begun.append(event["id"])
        may_end.wait(LONG)

    monkeypatch.setattr(hook, "TIMEOUT", 0.2)
    called.before = hang
    happen("one")
    server = node()
    for _ in range(2):
        server.deliver()
        clock.forward(5)
    assert len(begun) <= 1
    may_end.set()


def test_a_function_that_cannot_be_loaded_stops_the_start(settings: Settings, database: Any, clock: Clock) -> None:
    broken = settings.model_copy(update={"audit_hook": "json:no_such"})
    with pytest.raises(Misconfigured, match="AUTHSERVER_AUDIT_HOOK=json:no_such cannot be used") as refused:
        assemble(broken, now=clock)
    assert str(refused.value).endswith("\n\n    AUTHSERVER_AUDIT_HOOK=my_audit:on_event")


def test_a_coroutine_function_stops_the_start_since_nothing_would_run_it(
    settings: Settings, database: Any, clock: Clock, called: Any
) -> None:
    async def on_event(event: dict[str, Any]) -> None: ...

    called.on_event = on_event
    with pytest.raises(Misconfigured, match="it is a coroutine function"):
        assemble(settings, now=clock)
