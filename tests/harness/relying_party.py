"""A client's own server, which is told of the end of sessions: it verifies logout tokens with a stock library."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from joserfc import jwt
from joserfc.jwk import KeySet
from joserfc.jwt import JWTClaimsRegistry
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.harness.constants import LONG

EVENT = "http://schemas.openid.net/event/backchannel-logout"
PATH = "/backchannel-logout"
_ALGORITHMS = ["RS256", "PS256", "ES256"]


class RelyingParty:
    def __init__(self, issuer: str, client_id: str, jwks: Callable[[], Any], now: Callable[[], int]) -> None:
        """`jwks` returns the issuer's key set; `now` returns seconds."""
        self._issuer, self._client_id, self._jwks, self._now = issuer, client_id, jwks, now
        self.port = 0
        self.status = 200
        """What it answers. It ends a session only if this is 200."""
        self.tokens: list[str] = []
        """Those that arrived, whatever the answer was."""
        self.ended: list[str] = []
        """The `sid` of each session that it has ended."""
        self.before_answer: Callable[[], object] = bool
        """Called before each answer."""

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.port}{PATH}"

    async def receive(self, request: Request) -> Response:
        form = await request.form()
        token = str(form["logout_token"])
        self.tokens.append(token)
        if self.status == 200:
            self.ended.append(self.verified(token)["sid"])
        self.before_answer()
        return Response(status_code=self.status, headers={"Cache-Control": "no-store"})

    def verified(self, token: str) -> dict[str, Any]:
        """Return the claims, once they are validated as Back-Channel Logout s2.6 says."""
        decoded = jwt.decode(token, KeySet.import_key_set(self._jwks()), algorithms=_ALGORITHMS)
        assert decoded.header["typ"] == "logout+jwt"
        claims: dict[str, Any] = dict(decoded.claims)
        essential = {name: {"essential": True} for name in ("iat", "exp", "jti", "sub", "sid")}
        values = {"iss": {"value": self._issuer}, "aud": {"value": self._client_id}}
        JWTClaimsRegistry(now=self._now(), **essential, **values).validate(claims)  # type: ignore[arg-type]
        assert claims["events"] == {EVENT: {}} and "nonce" not in claims
        return claims


@contextmanager
def relying_party(
    issuer: str, client_id: str, jwks: Callable[[], Any], now: Callable[[], int], port: int = 0
) -> Iterator[RelyingParty]:
    """It listens on 127.0.0.1, in a thread of this process; `port` 0 is any free one."""
    party = RelyingParty(issuer, client_id, jwks, now)
    app = Starlette(routes=[Route(PATH, party.receive, methods=["POST"])])
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_config=None, lifespan="off"))
    thread = threading.Thread(target=server.run)
    thread.start()
    deadline = time.monotonic() + LONG
    while not server.started:
        assert time.monotonic() < deadline and thread.is_alive()
        time.sleep(0.005)
    party.port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield party
    finally:
        server.should_exit = True
        thread.join()
