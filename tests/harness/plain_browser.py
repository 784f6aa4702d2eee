"""A browser without scripts, styles and pictures: it keeps cookies, follows redirects, and sends forms."""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urlencode, urljoin, urlsplit

import httpx2

from tests.harness.constants import LONG
from tests.harness.existing import existing

MOST_HOPS = 20


@dataclass
class Form:
    action: str
    method: str
    fields: list[tuple[str, str]] = field(default_factory=list)
    """Names and values that are sent unless others are typed."""


class PlainPage(HTMLParser):
    """A page as it was received: its forms, links and texts, by the ids of their elements."""

    def __init__(self, response: httpx2.Response) -> None:
        super().__init__()
        self.url, self.status, self.text = str(response.url), response.status_code, response.text
        self.refresh: str | None = None
        self.forms: dict[str, tuple[Form, list[tuple[str, str]]]] = {}
        """By the id of each button: its form, and what the button itself adds."""
        self.links: dict[str, str] = {}
        self.texts: dict[str, str] = {}
        self._form: Form | None = None
        self._open: list[tuple[str, str]] = []
        if response.headers.get("content-type", "").startswith("text/html"):
            self.feed(response.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        has = {name: value or "" for name, value in attrs}
        id = has.get("id", "")
        if tag == "form":
            self._form = Form(urljoin(self.url, has.get("action", "")), has.get("method", "get").lower())
        elif tag == "input" and self._form and "name" in has and _is_sent(has):
            self._form.fields.append((has["name"], has.get("value", "on" if has.get("type") == "checkbox" else "")))
        elif tag == "button" and self._form:
            self.forms[id] = (self._form, [(has["name"], has.get("value", ""))] if "name" in has else [])
        elif tag == "a":
            self.links[id] = urljoin(self.url, has.get("href", ""))
        elif tag == "meta" and has.get("http-equiv", "").lower() == "refresh":
            self.refresh = urljoin(self.url, has["content"].partition("url=")[2])
        if id and tag != "input":
            self._open.append((tag, id))
            self.texts[id] = ""

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form = None
        for index in range(len(self._open) - 1, -1, -1):
            if self._open[index][0] == tag:
                del self._open[index:]
                break

    def handle_data(self, data: str) -> None:
        for _, id in self._open:
            self.texts[id] += data


def _is_sent(has: dict[str, str]) -> bool:
    return has.get("type") not in ("checkbox", "radio") or "checked" in has


class PlainBrowser:
    """Stands at one page. `open`, `follow` and `press` lead to the next one, which they return."""

    def __init__(self) -> None:
        self._http = httpx2.Client(timeout=LONG, trust_env=False)
        self.page: PlainPage

    def __enter__(self) -> "PlainBrowser":
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    @property
    def cookie(self) -> str:
        """The header with its cookies."""
        return "; ".join(f"{name}={value}" for name, value in self._http.cookies.items())

    def open(self, url: str) -> PlainPage:
        return self._go("GET", url, None)

    def follow(self, id: str) -> PlainPage:
        """Click on a link."""
        return self._go("GET", existing(self.page.links.get(id)), None)

    def press(self, id: str, **typed: str) -> PlainPage:
        """Click on a button, after typing into the fields of its form."""
        assert id in self.page.forms, f"no button {id} on {self.page.url}:\n{self.page.text}"
        form, of_button = self.page.forms[id]
        missing = typed.keys() - {name for name, _ in form.fields}
        assert not missing, f"no field {missing} on {self.page.url}"
        fields = [*((name, typed.get(name, value)) for name, value in form.fields), *of_button]
        if form.method == "get":
            return self._go("GET", f"{form.action}?{urlencode(fields)}", None)
        return self._go("POST", form.action, urlencode(fields))

    def _go(self, method: str, url: str, body: str | None) -> PlainPage:
        for _ in range(MOST_HOPS):
            response = self._http.request(method, url, content=body, headers=self._headers(method, url))
            next_url = response.headers.get("location")
            if next_url is None:
                self.page = PlainPage(response)
                next_url = self.page.refresh
            if next_url is None:
                return self.page
            method, url, body = "GET", urljoin(url, next_url), None
        raise AssertionError(f"more than {MOST_HOPS} redirects, the last to {url}")

    def _headers(self, method: str, url: str) -> dict[str, str]:
        if method == "GET":
            return {}
        same = _origin(self.page.url) == _origin(url)
        return {
            "Content-Type": "application/x-www-form-urlencoded",
            "Origin": _origin(self.page.url),
            "Sec-Fetch-Site": "same-origin" if same else "cross-site",
        }


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def sign_in(browser: PlainBrowser, username: str, password: str) -> PlainPage:
    """Whatever the server asks for, from the page at which the browser stands: password, consent, or nothing."""
    page = browser.page
    if "sign-in" in page.forms:
        page = browser.press("sign-in", username=username, password=password)
    if "allow" in page.forms:
        page = browser.press("allow")
    return page
