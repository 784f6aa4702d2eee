"""A browser without scripts, styles and pictures: it keeps cookies, follows redirects, and sends forms."""

from urllib.parse import urlencode, urljoin, urlsplit

import httpx2

from tests.harness.constants import LONG
from tests.harness.existing import existing
from tests.harness.markup import Markup

MOST_HOPS = 20


class PlainPage:
    """A page as it was received: its forms, links and texts, by the ids of their elements."""

    def __init__(self, response: httpx2.Response) -> None:
        self.url, self.status, self.text = str(response.url), response.status_code, response.text
        is_html = response.headers.get("content-type", "").startswith("text/html")
        markup = Markup(response.text if is_html else "")
        self.refresh = None if markup.refresh is None else urljoin(self.url, markup.refresh)
        self.forms = {id: form for form in markup.forms for id in form.buttons}
        """By the id of each button."""
        self.links = {link.get("id", ""): urljoin(self.url, link.get("href", "")) for link in markup.by_tag("a")}
        self.texts = {element["id"]: element.text for element in markup.elements if "id" in element}


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
        form = self.page.forms[id]
        missing = typed.keys() - {name for name, _ in form.fields}
        assert not missing, f"no field {missing} on {self.page.url}"
        fields = [*((name, typed.get(name, value)) for name, value in form.fields), *form.buttons[id]]
        action = urljoin(self.page.url, form.action)
        if form.method == "get":
            return self._go("GET", f"{action}?{urlencode(fields)}", None)
        return self._go("POST", action, urlencode(fields))

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
