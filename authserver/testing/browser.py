"""Signs users in as a browser would: follows the server's pages and fills in their forms."""

from collections.abc import Mapping
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass, field
from html.parser import HTMLParser
from http.client import HTTPConnection
from http.cookies import SimpleCookie
from typing import Protocol
from urllib.parse import urlencode, urlsplit

from .errors import SignInFailed

_TIMEOUT = 30  # seconds
_MOST_STEPS = 20
_FORM = "application/x-www-form-urlencoded"


@dataclass
class Page(HTMLParser):
    """The parts of a page that matter here: the fields of its form, and the text and address of each element with an
    id."""

    action: str = ""
    fields: dict[str, str] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    """The address of each link that has an id."""
    texts: dict[str, str] = field(default_factory=dict)
    """The text of each element that has an id."""

    def __post_init__(self) -> None:
        super().__init__()
        self._open: list[tuple[str, str]] = []

    def filled_in(self, username: str, password: str) -> Mapping[str, str]:
        """Return the fields of the form as this user sends them; none if the page has no form that it knows how to fill
        in."""
        if "password" in self.fields:
            return self.fields | {"username": username, "password": password}
        if "allow" in self.texts:
            return self.fields | {"answer": "allow"}
        return self.fields if self.fields.get("user_code") else {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        id = attributes.get("id", "")
        if tag == "form":
            self.action = attributes.get("action", "")
        elif tag == "input" and attributes.get("type") != "checkbox":
            self.fields[attributes.get("name", "")] = attributes.get("value", "")
        elif tag == "a" and id:
            self.links[id] = attributes.get("href", "")
        if id and tag not in ("input", "meta", "link"):
            self.texts[id] = ""
            self._open.append((tag, id))

    def handle_endtag(self, tag: str) -> None:
        if self._open and self._open[-1][0] == tag:
            self._open.pop()

    def handle_data(self, data: str) -> None:
        for _, id in self._open:
            self.texts[id] = f"{self.texts[id]} {data.strip()}".strip()


class Browser:
    """One browser with its cookies, which keep the user signed in."""

    def __init__(self, issuer: str) -> None:
        self._issuer, self._cookies = issuer, dict[str, str]()

    @property
    def cookie(self) -> str:
        """The value of the Cookie header."""
        return "; ".join(f"{name}={value}" for name, value in self._cookies.items())

    def authorize(self, url: str, username: str, password: str) -> str:
        """Open an authorization URL, sign in, and allow what the client asks for. Returns the URL to which the browser
        is sent back. Raises SignInFailed."""
        return self._go_through(url, username, password)

    def allow_device(self, url: str, username: str, password: str) -> None:
        """Open the verification URL of a device, with its code, sign in, and allow what it asks for. Raises
        SignInFailed."""
        self._go_through(url, username, password)

    def _go_through(self, url: str, username: str, password: str) -> str:
        """Go from page to page until the browser is sent elsewhere, and return that URL; or until a device was allowed,
        and return ""."""
        status, location, page = self._send("GET", url)
        for _ in range(_MOST_STEPS):
            if "device-done" in page.texts or (location and not location.startswith(f"{self._issuer}/")):
                return location
            if location:
                status, location, page = self._send("GET", location)
            elif "error" in page.texts:
                raise SignInFailed(status, page.texts["error"])
            elif form := page.filled_in(username, password):
                status, location, page = self._send("POST", page.action, form)
            else:
                location = page.links.get("continue", "")
                if not location:
                    raise SignInFailed(status, "This page has no form to sign in with.")
        raise SignInFailed(status, f"The flow did not end after {_MOST_STEPS} steps.")

    def _send(self, method: str, url: str, form: Mapping[str, str] | None = None) -> tuple[int, str, Page]:
        """Return the status, the address to which the response redirects ("" for none), and the page."""
        parts = urlsplit(url)
        headers = {"Cookie": self.cookie}
        if form is not None:
            headers |= {"Content-Type": _FORM, "Origin": self._issuer}
        path = f"{parts.path}?{parts.query}" if parts.query else parts.path
        with closing(HTTPConnection(parts.hostname or "", parts.port, timeout=_TIMEOUT)) as connection:
            connection.request(method, path, urlencode(form or {}), headers)
            response = connection.getresponse()
            text = response.read().decode()
        for value in response.headers.get_all("Set-Cookie", []):
            self._cookies |= {name: morsel.value for name, morsel in SimpleCookie(value).items()}
        page = Page()
        page.feed(text)
        return response.status, response.headers.get("Location", ""), page


class PlaywrightPage(Protocol):
    """The methods of a Playwright page that `sign_in` uses."""

    def fill(self, selector: str, value: str) -> None: ...
    def click(self, selector: str) -> None: ...
    def is_visible(self, selector: str) -> bool: ...
    def expect_navigation(self) -> AbstractContextManager[object]: ...


def sign_in(page: PlaywrightPage, username: str, password: str) -> None:
    """Sign in on the page that a Playwright browser shows, and allow what the client asks for."""
    if page.is_visible("#username"):
        page.fill("#username", username)
    page.fill("#password", password)
    with page.expect_navigation():
        page.click("#sign-in")
    if page.is_visible("#allow"):
        page.click("#allow")
