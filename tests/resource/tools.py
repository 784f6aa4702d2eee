"""Tokens of every kind, a clock moved by hand, and an issuer on a free port."""

import json
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ssl import SSLContext
from threading import Event, Thread
from threading import enumerate as threads
from typing import Any

from hypothesis import settings
from joserfc.jwk import ECKey, RSAKey
from joserfc.jws import JWSRegistry

from tests.harness.constants import LONG

ISSUER = "https://as.example"
AUDIENCE = "https://api.example"
NOW = 1_800_000_000

few = settings(max_examples=50)  # each is a whole token, or a whole JWKS


class Drop:
    def __repr__(self) -> str:  # names tests alike in every process
        return "absent"


DROP = Drop()  # as a member's value: leave it out


class Clock:
    def __init__(self) -> None:
        self.now: float = NOW

    def __call__(self) -> float:
        return self.now

    def forward(self, seconds: float) -> None:
        self.now += seconds


def b64(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def make_key(kid: str, alg: str = "RS256") -> RSAKey:
    return RSAKey.generate_key(2048, parameters={"kid": kid, "alg": alg, "use": "sig"})


def public(*keys: RSAKey | ECKey) -> dict[str, Any]:
    return {"keys": [key.as_dict(private=False) for key in keys]}


def header_of(key: RSAKey | ECKey, **changes: object) -> dict[str, object]:
    header = {"alg": key.alg, "kid": key.kid, "typ": "at+jwt", **changes}
    return {name: value for name, value in header.items() if value is not DROP}


def claims(**changes: object) -> dict[str, object]:
    fresh = {"iss": ISSUER, "aud": AUDIENCE, "sub": "user-1", "client_id": "app-1", "jti": "token-1"}
    members = {**fresh, "iat": NOW, "exp": NOW + 900, "scope": "read write", **changes}
    return {name: value for name, value in members.items() if value is not DROP}


def sign(key: RSAKey | ECKey, header: object, payload: object, alg: str | None = None) -> str:
    """A JWS with a true signature over any header and payload, given as JSON values or as bytes."""
    parts = [part if isinstance(part, bytes) else json.dumps(part).encode() for part in (header, payload)]
    signed = ".".join(map(b64, parts))
    return f"{signed}.{b64(JWSRegistry.algorithms[alg or str(key.alg)].sign(signed.encode(), key))}"


def token_of(key: RSAKey | ECKey, **changes: object) -> str:
    """A good access token, but for `changes` of its claims."""
    return sign(key, header_of(key), claims(**changes))


class LocalIssuer:
    """An issuer over HTTP on loopback: `answers` maps a path to (status, fields, body) or a function of the handler."""

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {}
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.hold = Event()  # what a slow answer waits for
        self.url = ""

    def publish(self, jwks: dict[str, Any], issuer: str | None = None, **fields: str) -> None:
        uri = f"{self.url}/jwks"
        self.answers["/.well-known/oauth-authorization-server"] = reply({"issuer": issuer or self.url, "jwks_uri": uri})
        self.answers["/jwks"] = reply(jwks, **fields)

    def paths(self) -> list[str]:
        return [path for path, _ in self.requests]


def reply(document: object, status: int = 200, /, **fields: str) -> tuple[int, dict[str, str], bytes]:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return status, {name.replace("_", "-"): value for name, value in fields.items()}, body


def _answering(issuer: LocalIssuer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            issuer.requests.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
            answer = issuer.answers.get(self.path, (404, {}, b"not here"))
            if callable(answer):
                answer = answer(self)
            if answer is not None:
                self.send(*answer)

        def send(self, status: int, fields: dict[str, str], body: bytes) -> None:
            if "ETag" in fields and self.headers["If-None-Match"] == fields["ETag"]:
                status, body = 304, b""
            self.send_response(status)
            for name, value in {**fields, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    return Handler


@contextmanager
def serve(issuer: LocalIssuer, tls: SSLContext | None = None) -> Iterator[LocalIssuer]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _answering(issuer)) as server:
        server.handle_error = lambda *args: None  # type: ignore[method-assign]  # the guard hangs up on it
        issuer.url = f"http://127.0.0.1:{server.server_port}"
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
            issuer.url = f"https://localhost:{server.server_port}"
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield issuer
        finally:
            issuer.hold.set()
            server.shutdown()
            thread.join()


def settle() -> None:
    """Waits until the guards of this process have nothing under way in the background."""
    for thread in threads():
        if thread.name == "authserver-jwks":
            thread.join(LONG)


def rejected(call: Callable[[], object]) -> str:
    """The reason for which `call` is refused; anything but TokenRejected fails the test."""
    from authserver.resource import TokenRejected

    try:
        value = call()
    except TokenRejected as refused:
        assert "." not in str(refused)
        return refused.reason
    raise AssertionError(f"accepted: {value!r}")
