"""Hostile requests as bytes: a list of known attacks for every endpoint, and random ones from a grammar.

Every secret in them contains CANARY, so that a search finds every place where one is kept.
"""

from base64 import b64encode
from collections.abc import Iterator
from random import Random

CANARY = "CANARY5ecret"
_FORM, _JSON = "application/x-www-form-urlencoded", "application/json"
ENDPOINTS = {
    "/token": _FORM,
    "/revoke": _FORM,
    "/introspect": _FORM,
    "/userinfo": _FORM,
    "/authorize": _FORM,
    f"/interaction/{'0' * 32}": "",
    f"/interaction/{'0' * 32}/sign-in": _FORM,
    f"/interaction/{'0' * 32}/account": _FORM,
    f"/interaction/{'0' * 32}/consent": _FORM,
    "/logout": _FORM,
    "/logout/confirm": _FORM,
    "/api/login": _JSON,
    "/api/refresh-token": _JSON,
    "/api/logout": _JSON,
    "/api/protected": "",
    "/.well-known/jwks.json": "",
    "/.well-known/oauth-authorization-server": "",
    "/.well-known/openid-configuration": "",
    "/health/live": "",
    "/health/ready": "",
    "/": "",
    "/static/style.css": "",
}
"""Each path, and the media type of the bodies that are sent there."""
_BASIC = b64encode(f"web:{CANARY}".encode()).decode()
_SECRETS = (
    CANARY,
    f"rt_{CANARY}{'A' * 60}",
    f"eyJhbGciOiJSUzI1NiJ9.{CANARY}.{CANARY}",
    f"{CANARY}\x1b[2J",
    f"é🔑{CANARY}",
)
_NAMES = (
    *("grant_type", "client_id", "client_secret", "username", "password", "refresh_token", "token", "scope"),
    *("response_type", "redirect_uri", "code", "code_verifier", "access_token", "csrf", "answer", "account"),
    *("id_token_hint", "post_logout_redirect_uri", "request"),
)
_WORDS = (
    "password",
    "refresh_token",
    "client_credentials",
    "authorization_code",
    "code",
    "allow",
    "app",
    "web",
    "machine",
    "ada",
    "read",
    "https://api.example",
)
_STRANGE = ("%00", "%FF", "%", "+", "a%0d%0ab", "%ed%a0%80", "1e999", "-1", "[]", "<script>", "' OR 1=1 --", "x" * 5000)


def request(path: str, body: bytes = b"", *lines: str, method: str = "POST", type: str | None = None) -> bytes:
    """Return one complete request. `lines` are additional header lines. If `type` is empty, there is no media type."""
    media = ENDPOINTS.get(path.partition("?")[0], _FORM) if type is None else type
    own = ["Host: 127.0.0.1", f"Content-Length: {len(body)}", *([f"Content-Type: {media}"] if media else [])]
    return "\r\n".join([f"{method} {path} HTTP/1.1", *own, *lines, "", ""]).encode("latin-1") + body


def body_of(path: str) -> bytes:
    """Return a complete body of the endpoint's type, with wrong credentials."""
    if ENDPOINTS.get(path) == _JSON:
        return f'{{"username": "ada", "password": "{CANARY}", "refresh_token": "rt_{CANARY}"}}'.encode()
    return f"grant_type=password&client_id=app&username=ada&password={CANARY}&token={CANARY}".encode()


def known_attacks(path: str) -> Iterator[tuple[str, bytes]]:
    """Yield attacks on one endpoint, each with its name."""
    yield from _on_framing(path)
    yield from _on_headers(path)
    yield from _on_bodies(path)


def _on_framing(path: str) -> Iterator[tuple[str, bytes]]:
    body, good = body_of(path), request(path, body_of(path))
    head, host = good.partition(b"\r\n\r\n")[0], b"Host: 127.0.0.1\r\n"
    yield "no Host", good.replace(host, b"")
    yield "two Hosts", good.replace(host, host * 2)
    yield "a Host with a path", good.replace(host, b"Host: x/admin?\r\n")
    yield "a folded line", good.replace(host, host + b"X-Folded: a\r\n b\r\n")
    yield "a bare line feed", good.replace(host, b"Host: 127.0.0.1\n")
    yield "a space before the colon", good.replace(b"Content-Length:", b"Content-Length :")
    yield "HTTP/3.0", good.replace(b"HTTP/1.1", b"HTTP/3.0")
    yield "HTTP/0.9", f"GET {path}\r\n\r\n".encode()
    yield "a NUL in a header", good.replace(host, host + b"X-Nul: a\0b\r\n")
    yield "a NUL in the target", good.replace(b" HTTP/1.1", b"\0 HTTP/1.1", 1)
    yield "CONNECT", request("evil.example:443", method="CONNECT", type="")
    yield "an HTTP/2 preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    yield "a TLS hello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(300)
    yield "two lengths", good.replace(b"Content-Length:", b"Content-Length: 5\r\nContent-Length:")
    yield "a length and chunks", head + b"\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    yield "a negative length", good.replace(b"Content-Length: ", b"Content-Length: -")
    chunked = head.replace(f"Content-Length: {len(body)}".encode(), b"Transfer-Encoding: chunked")
    yield "secrets in a trailer", chunked + f"\r\n\r\n0\r\nAuthorization: Basic {_BASIC}\r\n\r\n".encode()
    yield "a chunk of a negative size", chunked + b"\r\n\r\n-1\r\n\r\n"
    for offered in ("websocket", "h2c"):
        yield f"an upgrade to {offered}", request(path, body, "Connection: Upgrade", f"Upgrade: {offered}")


def _on_headers(path: str) -> Iterator[tuple[str, bytes]]:
    body = body_of(path)
    lines = {
        "a large header": f"X-Large: {'x' * 70_000}",
        "many headers": "\r\n".join(f"X-{number}: x" for number in range(1000)),
        "two media types": "Content-Type: text/plain",
        "a compressed body": "Content-Encoding: gzip",
        "an expectation": "Expect: 100-continue",
        "many ranges": "Range: bytes=" + ",".join(f"{n}-{n}" for n in range(5000)),
        "a forged address": f"X-Forwarded-For: {CANARY}, 10.0.0.1\r\nForwarded: for=unknown",
        "a forged scheme": "X-Forwarded-Host: evil.example\r\nX-Forwarded-Proto: https",
        "a foreign origin": "Origin: https://evil.example",
        "Basic without base64": f"Authorization: Basic ***{CANARY}",
        "Basic of an unknown secret": f"Authorization: Basic {_BASIC}",
        "Basic of bytes": "Authorization: Basic /////w==",
        "a Bearer token": f"Authorization: Bearer eyJhbGciOiJub25lIn0.{CANARY}.",
        "two authorizations": f"Authorization: Bearer {CANARY}\r\nAuthorization: Basic {_BASIC}",
        "cookies": f"Cookie: \xa0__Host-refresh_token=rt_{CANARY}; __Host-refresh_token={CANARY}; =; ;",
        "a request id": f"X-Request-ID: {CANARY}\x1b[31m",
        "a trace": f"traceparent: 00-{CANARY}-x-zz",
        "a condition": f'If-None-Match: "{CANARY}", W/"x", *',
    }
    for name, line in lines.items():
        yield name, request(path, body, line)
    yield "an expectation of 10 GB", request(path, b"", "Expect: 100-continue").replace(b"h: 0", b"h: 10000000000")
    for method in ("GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "QUERY", "a" * 30):
        yield f"the method {method}", request(path, b"", method=method, type="")


def _on_bodies(path: str) -> Iterator[tuple[str, bytes]]:
    for target in (f"{path}/", f"/{path}", f"{path}?password={CANARY}", f"{path}%00", f"{path}?%FF", "http://evil/x"):
        yield f"the target {target}", request(target, body_of(path), type=ENDPOINTS[path])
    yield "a target of 70 KB", request(f"{path}?{'x' * 70_000}")
    for type in (
        "text/plain",
        "multipart/form-data; boundary=x",
        "application/xml",
        f"{_FORM}; charset=utf-16",
        ";",
        "",
    ):
        yield f"the type {type}", request(path, body_of(path), type=type)
    for name, body in _bodies():
        for type in (_FORM, _JSON):
            yield f"{name} as {type}", request(path, body, type=type)


def _bodies() -> Iterator[tuple[str, bytes]]:
    canary = CANARY.encode()
    yield "nothing", b""
    yield "a repeated parameter", b"grant_type=password&grant_type=password&client_id=app&password=" + canary
    yield "a client twice", b"client_id=app&client_id=" + canary
    yield "2,000 fields", b"&".join(b"a%d=" % number + canary for number in range(2000))
    yield "bytes that are not UTF-8", b"grant_type=\xff&client_secret=" + canary
    yield "an overlong encoding", b"username=%C0%AF" + canary
    yield "a NUL", b"grant_type=password&username=a%00b&password=" + canary
    yield "a secret as client id", b"grant_type=password&client_id=" + canary
    yield "a secret of 50 KB", b"grant_type=password&client_id=web&client_secret=" + canary + b"x" * 50_000
    yield "an unknown grant", b'grant_type="' + canary + b"%0d%0aSet-Cookie:x&client_id=app"
    yield "70 KB", b"a=" + canary + b"x" * 70_000
    yield "47,000 nested arrays", b"[" * 47_000
    yield "nested objects", b'{"a":' * 9000
    yield "a JSON array", b'["' + canary + b'"]'
    yield "a repeated member", b'{"password": "a", "password": "' + canary + b'"}'
    yield "a large number", b'{"username": 1e400, "password": ' + b"9" * 5000 + b"}"
    yield "half a surrogate pair", b'{"username": "\\ud800", "password": "' + canary + b'"}'
    yield "a byte order mark", b'\xef\xbb\xbf{"username": "ada"}'
    yield "not a number", b'{"username": NaN, "password": Infinity}'
    yield "two documents", b'{"username": "ada"}{"password": "' + canary + b'"}'
    yield "UTF-16", '{"username": "ada"}'.encode("utf-16")


class Grammar:
    """A source of random requests that are nearly right and mostly complete. The same seed makes the same requests."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)

    def request(self) -> bytes:
        pick = self._random
        path = pick.choice(list(ENDPOINTS))
        usual = "POST" if ENDPOINTS[path] else "GET"
        method = usual if pick.random() < 0.8 else pick.choice(("GET", "HEAD", "OPTIONS", "POST", "PUT"))
        type = None if pick.random() < 0.8 else pick.choice((_FORM, _JSON, "text/plain", ""))
        body = self._json() if (ENDPOINTS[path] == _JSON) != (pick.random() < 0.1) else self._form()
        made = request(path + self._query(), self._spoilt(body), *self._lines(), method=method, type=type)
        return made if pick.random() < 0.97 else self._spoilt(made)

    def _query(self) -> str:
        return "" if self._random.random() < 0.9 else f"?{self._random.choice(_NAMES)}={self._word().strip()[:50]!r}"

    def _lines(self) -> list[str]:
        pick, lines = self._random, []
        if pick.random() < 0.2:
            scheme = pick.choice(("Basic", "basic ", "Bearer", "DPoP", "Digest"))
            lines.append(f"Authorization: {scheme} {pick.choice((_BASIC, CANARY, 'bWFjaGluZTo=', '='))}")
        if pick.random() < 0.1:
            name = pick.choice(("refresh_token", "__Host-session", "__Host-browser"))
            lines.append(f"Cookie: {name}=rt_{CANARY}; a={pick.randrange(99)}")
        if pick.random() < 0.1:
            lines.append(f"Origin: {pick.choice(('null', 'http://127.0.0.1', 'https://evil.example'))}")
        return lines

    def _word(self) -> str:
        pick = self._random
        words = pick.choice((_WORDS, _WORDS, _SECRETS, _STRANGE))
        return (
            pick.choice(words).encode("utf-8").decode("latin-1").replace("\r", "").replace("\n", "").replace(" ", "+")
        )

    def _form(self) -> bytes:
        pairs = [f"{self._random.choice(_NAMES)}={self._word()}" for _ in range(self._random.randrange(7))]
        return "&".join(pairs).encode("latin-1")

    def _json(self) -> bytes:
        members = [f'"{self._random.choice(_NAMES)}": "{self._word()}"' for _ in range(self._random.randrange(5))]
        return ("{" + ", ".join(members) + "}").encode("latin-1")

    def _spoilt(self, content: bytes) -> bytes:
        """Return the content, sometimes with a few bytes replaced."""
        if self._random.random() < 0.8 or not content:
            return content
        place = self._random.randrange(len(content))
        return content[:place] + self._random.randbytes(self._random.randrange(4)) + content[place + 2 :]
