"""An attempt that must wait runs the same code for every name: an answer's time cannot tell which accounts exist."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import pytest

import authserver
from authserver.accounts.browser import BrowserHandler
from authserver.domain.attempts import FREE
from authserver.oauth.grants.password import PasswordGrant
from authserver.pipeline.pipeline import Pipeline
from authserver.store import browser_state, sign_ins
from tests.harness.browser import Browser
from tests.harness.constants import PASSWORD

OURS = authserver.__path__[0]
TRIES = 50
Calls = list[tuple[str, str]]


@contextmanager
def recorded(calls: Calls) -> Iterator[None]:
    """Note the functions of ours that this thread calls."""

    def note(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code.co_filename.startswith(OURS):
            calls.append((frame.f_code.co_filename, frame.f_code.co_qualname))

    sys.setprofile(note)
    try:
        yield
    finally:
        sys.setprofile(None)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    """The functions of ours that the last request called, on the event loop and to load its data."""
    calls: Calls = []
    run = Pipeline.run

    async def recorded_run(*arguments: Any) -> Any:
        calls.clear()
        with recorded(calls):
            return await run(*arguments)

    def recorded_load(load_many: Callable[..., Any]) -> Any:
        def load(*arguments: Any) -> Any:
            with recorded(calls):
                return load_many(*arguments)

        return staticmethod(load)

    monkeypatch.setattr(Pipeline, "run", recorded_run)
    monkeypatch.setattr(PasswordGrant, "loader", recorded_load(sign_ins.load_many))
    monkeypatch.setattr(BrowserHandler, "loader", recorded_load(browser_state.load_many))
    return calls


def by_token(browser: Browser, _: Any, name: str) -> Any:
    data = {"grant_type": "password", "client_id": "app", "username": name, "password": PASSWORD + "?"}
    return browser.http.post("/token", data=data)


def by_api(browser: Browser, _: Any, name: str) -> Any:
    return browser.http.post("/api/login", json={"username": name, "password": PASSWORD + "?"})


def by_page(browser: Browser, page: Any, name: str) -> Any:
    return browser.sign_in(page, name, PASSWORD + "?")


@pytest.mark.thorough
@pytest.mark.parametrize("ask", [by_token, by_api, by_page])
def test_a_delayed_attempt_calls_the_same_functions_whether_or_not_the_account_exists(
    browser: Browser, ask: Callable[[Browser, Any, str], Any], calls: Calls
) -> None:
    page = browser.authorize()
    for name in ("ada", "nobody") * (FREE + 1):
        delayed = ask(browser, page, name)
    assert delayed.status_code == 429

    def called(name: str) -> Calls:
        assert ask(browser, page, name).status_code == 429
        return sorted(calls)  # two threads note them

    # What the server does by itself may run in between.
    assert any(called("ada") == called("nobody") for _ in range(TRIES))
