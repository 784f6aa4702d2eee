"""The system's Chromium, for the tests of pages."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import sync_playwright

from tests.harness.constants import LONG

CHROMIUM = shutil.which("chromium")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")


@contextmanager
def launched(*arguments: str) -> Iterator[Any]:
    """A browser. For one module at a time: meanwhile no other event loop can run in this thread."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*ARGUMENTS, *arguments])
        yield browser
        browser.close()


class Tabs:
    """The tabs of a browser, each with cookies of its own. They are used again, since a new one costs half a second."""

    def __init__(self, browser: Any) -> None:
        self._browser, self._free = browser, dict[str, list[Any]]()
        self._taken: list[tuple[str, Any]] = []

    def take(self, **options: Any) -> Any:
        """Return a tab with these options of a context, as if it were new."""
        key = repr(sorted(options.items()))
        if not (free := self._free.setdefault(key, [])):
            context = self._browser.new_context(**options)
            context.set_default_timeout(LONG * 1000)
            free.append(context.new_page())
        self._taken.append((key, free.pop()))
        return self._taken[-1][1]

    def give_back(self) -> None:
        """Make all tabs free, without their cookies and without the other tabs that were opened beside them."""
        for key, tab in self._taken:
            for other in tab.context.pages:
                if other is not tab:
                    other.close()
            tab.context.clear_cookies()
            self._free[key].append(tab)
        self._taken.clear()

    def close(self) -> None:
        self.give_back()
        for tab in (tab for free in self._free.values() for tab in free):
            tab.context.close()
