"""A browser without JavaScript: it keeps cookies, fills in the forms of our pages, and goes on to the client."""

from base64 import urlsafe_b64encode
from collections.abc import Mapping
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from tests.harness.constants import ISSUER, PASSWORD
from tests.harness.existing import existing
from tests.harness.markup import Markup

CALLBACK = "https://client.example/cb?registered=a%20b"
VERIFIER = "v" * 43
CHALLENGE = urlsafe_b64encode(sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
REQUEST: Mapping[str, Any] = {
    "response_type": "code",
    "client_id": "sso",
    "redirect_uri": CALLBACK,
    "scope": "openid read",
    "state": "a state",
    "nonce": "a nonce",
    "code_challenge": CHALLENGE,
    "code_challenge_method": "S256",
}


FROM_OUR_PAGE = {"Origin": ISSUER, "Sec-Fetch-Site": "same-origin"}


def query(**changes: Any) -> str:
    """The query of an authorization request; None leaves a parameter out, and a list repeats it."""
    asked = {**REQUEST, **changes}
    return urlencode({name: value for name, value in asked.items() if value is not None}, doseq=True)


class Browser:
    def __init__(self, http: Any, issuer: str = ISSUER) -> None:
        """`http` is a client of the server with this issuer, with cookies of its own."""
        self.http, self.issuer = http, issuer

    def authorize(self, **changes: Any) -> Any:
        """Ask for a sign-in, and follow our own redirects."""
        return self.get(f"/authorize?{query(**changes)}")

    def get(self, url: str) -> Any:
        return self._ours(self.http.get(url, follow_redirects=False))

    def submit(self, page: Any, /, *, headers: Mapping[str, str] | None = None, **fields: str) -> Any:
        """Fill in the page's form and send it, as a browser does; then follow our own redirects."""
        action, filled = form_of(page)
        sent = FROM_OUR_PAGE | {"Origin": self.issuer} if headers is None else dict(headers)
        return self._ours(self.http.post(action, data=filled | fields, headers=sent, follow_redirects=False))

    def sign_in(self, page: Any, username: str = "ada", password: str = PASSWORD, **more: Any) -> Any:
        return self.submit(page, username=username, password=password, **more)

    def allow(self, page: Any) -> Any:
        return self.submit(page, answer="allow")

    def deny(self, page: Any) -> Any:
        return self.submit(page, answer="deny")

    def code(self, **changes: Any) -> str:
        """Sign in and agree, where that is asked for."""
        page = self.authorize(**changes)
        if 'id="sign-in"' in page.text:
            page = self.sign_in(page)
        if 'id="allow"' in page.text:
            page = self.allow(page)
        return answer_of(page)["code"]

    def _ours(self, response: Any) -> Any:
        while response.status_code == 303 and response.headers["location"].startswith(self.issuer):
            response = self.http.get(response.headers["location"], follow_redirects=False)
        return response


def form_of(page: Any) -> tuple[str, dict[str, str]]:
    """Where the page's form goes, and its fields as they are filled in."""
    (form,) = Markup(page.text).forms
    return form.action, dict(form.fields)


def is_answer(response: Any) -> bool:
    """Whether the response goes on to the client."""
    return response.status_code == 303 or "http-equiv" in response.text


def answer_of(response: Any, callback: str = CALLBACK) -> dict[str, str]:
    """The parameters that reach the client: by a redirect, or by a page that goes on."""
    if response.status_code == 303:
        uri = response.headers["location"]
        assert response.headers["referrer-policy"] == "no-referrer"
    else:
        assert response.status_code == 200, response.text
        uri = existing(Markup(response.text).refresh)
    assert uri.startswith(callback), uri
    assert not urlsplit(uri).fragment
    pairs = parse_qsl(uri[len(callback) :].lstrip("?&"), True, errors="surrogateescape")
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)
