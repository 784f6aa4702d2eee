"""Makes authorization requests that are nearly right, and checks what must hold for the response to any request."""

import re
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from dataclasses import dataclass, replace
from hashlib import sha256
from html import unescape
from random import Random
from urllib.parse import parse_qs, quote, urlsplit

from authserver.domain.models import Client
from scripts.bench.fuzz.hostile_requests import CANARY

_CHALLENGE = urlsafe_b64encode(sha256(b"v" * 43).digest()).rstrip(b"=").decode()
WEB = Client(
    id="fuzz-web",
    name='Web <script>"&',
    auth_method="none",
    grant_types=frozenset({"authorization_code", "refresh_token"}),
    scope=("openid", "email", "offline_access", "read"),
    audiences=("https://api.example",),
    redirect_uris=("https://client.example/cb", "https://client.example/cb?registered=a%20b"),
)
NATIVE = replace(
    WEB, id="fuzz-native", application_type="native", redirect_uris=("http://127.0.0.1/cb", "com.example.app:/cb")
)
CLIENTS = (WEB, NATIVE)
_LOOPBACK = re.compile(r"http://127\.0\.0\.1(:[0-9]{1,5})?/cb")
_GOOD = {
    "response_type": ("code",),
    "scope": ("openid", "openid", "openid read", "read", "openid email offline_access"),
    "state": ("s", f"{CANARY} a&b=c#d", ""),
    "nonce": ("n", CANARY),
    "code_challenge": (_CHALLENGE,),
    "code_challenge_method": ("S256",),
}
_OPTIONAL = {
    "response_mode": ("query", "form_post", "fragment", "jwt"),
    "prompt": ("none", "none", "login", "consent", "select_account", "login consent", "none login"),
    "max_age": ("0", "60", "-1", "1e9", "9" * 30),
    "login_hint": ("ada", CANARY, '"><script>alert(1)</script>'),
    "id_token_hint": (f"eyJhbGciOiJSUzI1NiJ9.{CANARY}.{CANARY}", "..", "x"),
    "ui_locales": ("de", "en fr", "*", "-"),
    "claims": ('{"userinfo":{"email":null}}', '{"id_token":{"sub":{"value":"u_ada"}}}', "[" * 500, f'{{"{CANARY}":1}}'),
    "resource": ("https://api.example", "https://other.example", "x#y"),
    "request": ("x.eyJyZXNwb25zZV9tb2RlIjoiZm9ybV9wb3N0In0.y", "x"),
    "request_uri": ("https://evil.example/request", "urn:x"),
    "registration": ("{}",),
    "acr_values": ("urn:authserver:password", "0"),
    "password": (CANARY,),
    "client_secret": (CANARY,),
    "unknown": ("x", "x" * 3000),
}
_STRANGE = (
    *("", "%00", "%FF", "%ED%A0%80", "%", "%zz", "+", "%0d%0aX-Evil:%20y", "javascript:alert(1)", "data:,x"),
    *("https://evil.example/", "//evil.example", "https://client.example@evil.example/", "%E2%80%AE", "..%2f"),
    *("%22%3E%3Cscript%3E", "[" * 200, "{}", "null", "-1", "9" * 40, "a" * 5000, CANARY, "%C3%A9", "\\evil.example"),
)


class Requests:
    """A source of requests. The same seed makes the same requests."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)

    def query(self) -> str:
        """Return one request, as a query string that is also valid as a form. It is ASCII and has no white space."""
        pick = self._random
        client = pick.choice(CLIENTS)
        good = _GOOD | {"client_id": (client.id,), "redirect_uri": (*client.redirect_uris, "http://127.0.0.1:5000/cb")}
        pairs = [(name, quote(pick.choice(values), safe="")) for name, values in good.items()]
        for name, values in _OPTIONAL.items():
            if pick.random() < 0.1:
                pairs.append((name, quote(pick.choice(values), safe="")))
        for _ in range(pick.choice((0, 0, 0, 1, 1, 2, 4))):
            self._spoil(pairs)
        pick.shuffle(pairs)
        return "&".join(f"{name}={value}" for name, value in pairs)

    def chance(self, share: float) -> bool:
        return self._random.random() < share

    def _spoil(self, pairs: list[tuple[str, str]]) -> None:
        if not pairs:
            return
        pick, place = self._random, self._random.randrange(len(pairs))
        name, value = pairs[place]
        match pick.randrange(5):
            case 0:
                del pairs[place]
            case 1:
                pairs.append((name, pick.choice((value, *_STRANGE))))
            case 2:
                pairs[place] = (name, pick.choice(_STRANGE))
            case 3:
                pairs[place] = (name, self._near(value))
            case _:
                pairs.append((quote(pick.choice((*_STRANGE, name.upper(), f"{name}[]")), safe="%"), value))

    def _near(self, value: str) -> str:
        """Return a value that differs in one place."""
        place = self._random.randrange(len(value) + 1)
        return value[:place] + self._random.choice((*_STRANGE, "", ".", "/", "%40", "%23", "%5c")) + value[place + 1 :]


@dataclass(frozen=True)
class Response:
    status: int
    location: str
    page: str
    cookie: str = ""
    """The first cookie that was set, as `name=value`."""


def fault_of(response: Response, issuer: str) -> str:
    """Return what is wrong with the response; empty if nothing is."""
    if response.status >= 500:
        return f"status {response.status}"
    if any(character in response.location for character in "\r\n\0"):
        return "a split header"
    for uri in _destinations(response):
        if not uri.startswith((f"{issuer}/", "/")) and not _is_registered(uri):
            return f"a link, form or redirect to {uri[:200]}"
    if response.status == 303 and not response.location.startswith(f"{issuer}/"):
        return _fault_of_answer(response.location, issuer)
    return "unescaped markup from the request" if "<script>" in response.page else ""


def _destinations(response: Response) -> Iterator[str]:
    """Yield where the page leads: by a redirect, a refresh, a form or a link."""
    if response.location:
        yield response.location
    for pattern in (r'http-equiv="refresh" content="0; ?url=([^"]*)"', r'action="([^"]*)"', r'href="([^"]*)"'):
        yield from (unescape(uri) for uri in re.findall(pattern, response.page) if not uri.startswith("data:image"))


def _is_registered(uri: str) -> bool:
    registered_uris = (registered for client in CLIENTS for registered in client.redirect_uris)
    if any(uri == each or uri.startswith(f"{each}{'&' if '?' in each else '?'}") for each in registered_uris):
        return True
    return _LOOPBACK.fullmatch(uri.partition("?")[0]) is not None


def _fault_of_answer(location: str, issuer: str) -> str:
    sent = parse_qs(urlsplit(location).query, keep_blank_values=True, errors="surrogateescape")
    if sent.get("iss") != [issuer]:
        return "a response to a client without iss"
    if len(sent.get("code", [])) + len(sent.get("error", [])) != 1:
        return "a response to a client with neither a code nor an error, or with both"
    return ""
