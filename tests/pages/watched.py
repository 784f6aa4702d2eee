"""A tab of a browser, everything that it asks for, and everything that it complains of."""

import time
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from starlette.testclient import TestClient

from tests.harness.constants import LONG

MEASURE = """() => {
    const visible = (element) => element.getClientRects().length > 0;
    const targets = [...document.querySelectorAll("a, button, input:not([type=hidden])")].filter(visible);
    return {
        overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
        small: targets.filter((element) => {
            const box = element.getBoundingClientRect();
            return box.width < 24 || box.height < 24;
        }).map((element) => element.outerHTML),
        moving: [...document.querySelectorAll("*")].filter((element) => {
            const style = getComputedStyle(element);
            return style.animationName !== "none" || style.transitionDuration !== "0s";
        }).length,
    };
}"""
FOCUSED = """() => {
    const element = document.activeElement, box = element.getBoundingClientRect();
    const style = getComputedStyle(element);
    return {
        id: element.id || element.textContent,
        inside: box.top >= 0 && box.left >= 0 && box.bottom <= innerHeight && box.right <= innerWidth,
        outline: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2,
        covered: !element.contains(document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2)),
    };
}"""

AS_USUAL = {"color_scheme": "light", "contrast": "no-preference", "forced_colors": "none"}
AS_USUAL |= {"reduced_motion": "no-preference"}


_FOCUSED_FIRST = "Autofocus processing was blocked because a document already has a focused element."
"""Chromium says so of a field that has the focus already: a test typed before the page was drawn, on a busy machine."""


def listen(page: Any, hear: Callable[[str], None]) -> None:
    """Call `hear` with everything that the page complains of from now on."""
    page.on("console", lambda message: None if message.text == _FOCUSED_FIRST else hear(message.text))
    page.on("pageerror", lambda error: hear(str(error)))


class Watched:
    """The pages come from `http`. Other hosts answer 204, which leaves the tab where it is."""

    def __init__(self, page: Any, http: TestClient, issuer: str) -> None:
        self.page, self._http, self._issuer = page, http, issuer
        self.forget()
        page.context.route("**/*", self._answer)
        listen(page, self._hear)

    def forget(self) -> None:
        self.messages: list[str] = []
        self.bytes = 0
        self.requests: list[Any] = []
        """For our own pages."""
        self.elsewhere: list[Any] = []
        self.page.emulate_media(**AS_USUAL)

    def _hear(self, message: str) -> None:
        """Chromium says of each page that is an error what status it has."""
        if not message.startswith("Failed to load resource: the server responded with a status of"):
            self.messages.append(message)

    def _answer(self, route: Any) -> None:
        request = route.request
        if not request.url.startswith(self._issuer + "/"):
            self.elsewhere.append(request)
            route.fulfill(status=204)
            return
        self.requests.append(request)
        headers = {name: value for name, value in request.headers.items() if name != "accept-encoding"}
        path = request.url.removeprefix(self._issuer)
        answer = self._http.request(request.method, path, headers=headers, content=request.post_data_buffer)
        self.bytes += len(answer.content)
        route.fulfill(status=answer.status_code, headers=dict(answer.headers), body=answer.content)

    def posted(self) -> list[tuple[str, str]]:
        """The fields of the one form that was sent to one of our pages."""
        (request,) = (request for request in self.requests if request.method == "POST")
        return parse_qsl(request.post_data, keep_blank_values=True)

    def measure(self) -> Any:
        return self.page.evaluate(MEASURE)

    def focused(self) -> Any:
        return self.page.evaluate(FOCUSED)

    def tab(self) -> str:
        """Press Tab, and return what then has the focus, which must be seen (WCAG 2.4.7, 2.4.11)."""
        self.page.keyboard.press("Tab")
        focused = self.focused()
        assert focused["inside"] and focused["outline"] and not focused["covered"], focused
        name: str = focused["id"].strip()
        return name

    def asked_elsewhere(self) -> Any:
        """The first request to another host, once it has come."""
        deadline = time.monotonic() + LONG
        while not self.elsewhere:
            assert time.monotonic() < deadline, "nothing was asked of another host"
            self.page.wait_for_timeout(10)
        return self.elsewhere[0]

    def sent_elsewhere(self) -> list[tuple[str, str]]:
        """The parameters that a client got last, in the body or in the query."""
        request = self.elsewhere[-1]
        encoded = request.post_data if request.method == "POST" else urlsplit(request.url).query
        return parse_qsl(encoded, keep_blank_values=True)
