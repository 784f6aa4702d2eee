"""One Chromium for a module. What it asks for is answered in this process, without a network."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.harness.chromium import Tabs, launched
from tests.pages.showing import ISSUER, client
from tests.pages.watched import Watched


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with launched() as browser:
        yield browser


@pytest.fixture(scope="module")
def tabs(browser: Any) -> Iterator[Tabs]:
    tabs = Tabs(browser)
    yield tabs
    tabs.close()


@pytest.fixture(scope="module")
def opened(tabs: Tabs) -> dict[str, Watched]:
    """The tab for each set of options that was asked for."""
    return {}


@pytest.fixture
def show(tabs: Tabs, opened: dict[str, Watched]) -> Callable[..., Watched]:
    """`show("/sign-in", locale="de-DE")` opens that page in a tab with these options."""

    def show(path: str, **options: Any) -> Watched:
        key = repr(sorted(options.items()))
        if key not in opened:
            opened[key] = Watched(tabs.take(**options), client(), ISSUER)
        watched = opened[key]
        watched.forget()
        submits_itself = path == "/form-post" and options.get("java_script_enabled", True)
        watched.page.goto(ISSUER + path, wait_until="commit" if submits_itself else "load")
        if submits_itself:  # as soon as its style is there; it is then never said to have loaded
            watched.asked_elsewhere()
        return watched

    return show
