"""CORS (Fetch s3.2) for /token and /revoke: pages of an origin that a client registered may read the client's answers.

Never with credentials: no cookie counts at these endpoints, and a page says who its client is by itself.
"""

from collections.abc import Collection, Mapping

from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from ..domain.errors import Unavailable
from ..domain.models import Client
from ..pipeline.replies import Reply
from ..store.cache import Cache
from . import body
from .replies import send_reply

# Fetch s3.2.5: without credentials, `*` stands for every request header but Authorization.
ANY_HEADER = "*, Authorization"
MAX_AGE = "600"
"""Seconds for which a browser may keep a preflight's answer; every other answer is judged by itself."""
_ALLOW_ORIGIN = "Access-Control-Allow-Origin"
_PREFLIGHT = {
    "Access-Control-Allow-Methods": "POST",
    "Access-Control-Allow-Headers": ANY_HEADER,
    "Access-Control-Max-Age": MAX_AGE,
}
_READABLE = {"Access-Control-Expose-Headers": "Retry-After, WWW-Authenticate"}


class CrossOrigin:
    """Says what an answer has for browsers; itself an ASGI application, for the preflight."""

    def __init__(self, clients: Cache[str, Client], origins: Cache[None, frozenset[str]]) -> None:
        """`origins` are those of all enabled clients."""
        self._clients, self._origins = clients, origins

    async def headers(self, headers: Mapping[str, list[str]], client_id: str | None) -> dict[str, str]:
        """For the answer to a request with these headers and of that client; None if it could not be read so far.

        No cache keeps these answers, so that Vary is needed only where an Origin was sent.
        """
        if "origin" not in headers:
            return {}
        allowed = await self._every_origin() if client_id is None else self._origins_of(client_id)
        return _to(headers["origin"], allowed, _READABLE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers OPTIONS, which is there for preflights alone. They do not say which client is going to ask."""
        origin = body.headers_of(scope).get("origin")
        headers = _to(origin, await self._every_origin(), _PREFLIGHT) if origin else {}
        if _ALLOW_ORIGIN not in headers:
            raise HTTPException(405, headers={"Allow": "POST", **headers})
        await send_reply(send, Reply(204, None, headers))

    def _origins_of(self, client_id: str) -> Collection[str]:
        """As few for an unknown client as for one that registered none: nothing says which clients there are."""
        client = self._clients.peek(client_id)
        return client.web_origins if client else ()

    async def _every_origin(self) -> frozenset[str]:
        """While the database is down, those of before: a page should be able to read that it is to try again."""
        try:
            origins = await self._origins.get(None)
        except Unavailable:
            origins = self._origins.peek(None)
        return origins or frozenset()


def _to(origin: list[str], allowed: Collection[str], headers: Mapping[str, str]) -> dict[str, str]:
    if len(origin) != 1 or origin[0] not in allowed:
        return {"Vary": "Origin"}
    return {_ALLOW_ORIGIN: origin[0], **headers, "Vary": "Origin"}
