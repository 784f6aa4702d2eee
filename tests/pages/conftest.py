"""One Chromium for a module. What it asks for is answered in this process, without a network."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.harness.chromium import launched
from tests.harness.constants import LONG
from tests.pages.showing import ISSUER, client
from tests.pages.watched import Watched


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with launched() as browser:
        yield browser


@pytest.fixture
def show(browser: Any) -> Iterator[Callable[..., Watched]]:
    """`show("/sign-in", locale="de-DE")` opens that page in a context with these options."""
    contexts = []
    with client() as http:

        def show(path: str, **options: Any) -> Watched:
            context = browser.new_context(**options)
            context.set_default_timeout(LONG * 1000)
            contexts.append(context)
            watched = Watched(context, http, ISSUER)
            # Not until it has loaded: a page that submits itself at once never has.
            watched.page.goto(ISSUER + path, wait_until="commit")
            watched.page.wait_for_selector("main")
            return watched

        yield show
        for context in contexts:
            context.close()
