"""CORS (Fetch s3.2) for /token, /revoke and /userinfo: pages of an origin that a client registered may read its
responses.

Credentials are never allowed: these endpoints use no cookies, and a page sends its own client id.
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
"""Seconds for which a browser may cache the response to a preflight."""
_ALLOW_ORIGIN = "Access-Control-Allow-Origin"
_READABLE = {"Access-Control-Expose-Headers": "Retry-After, WWW-Authenticate, X-Request-ID"}


class CrossOrigin:
    """Returns the CORS headers of a response. It is also the ASGI application that handles preflights."""

    def __init__(
        self, clients: Cache[str, Client], origins: Cache[None, frozenset[str]], methods: str = "POST"
    ) -> None:
        """`origins` caches the origins of all enabled clients; `methods` are those of the endpoint."""
        self._clients, self._origins, self._methods = clients, origins, methods
        self._preflight = {
            "Access-Control-Allow-Methods": methods,
            "Access-Control-Allow-Headers": ANY_HEADER,
            "Access-Control-Max-Age": MAX_AGE,
        }

    async def headers(self, headers: Mapping[str, list[str]], client_id: str | None) -> dict[str, str]:
        """Return the CORS headers for the response to a request with these headers. `client_id` is None if the request
        could not be parsed.

        Caches do not store these responses, so Vary is needed only if the request has an Origin.
        """
        if "origin" not in headers:
            return {}
        allowed = await self._every_origin() if client_id is None else self._origins_of(client_id)
        return _to(headers["origin"], allowed, _READABLE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle OPTIONS, which exists only for preflights. A preflight does not say which client will follow."""
        origin = body.headers_of(scope).get("origin")
        headers = _to(origin, await self._every_origin(), self._preflight) if origin else {}
        if _ALLOW_ORIGIN not in headers:
            raise HTTPException(405, headers={"Allow": self._methods, **headers})
        await send_reply(send, Reply(204, None, headers))

    def _origins_of(self, client_id: str) -> Collection[str]:
        """Return the client's origins. An unknown client has none, like one that registered none, so that callers
        cannot find out which clients exist."""
        client = self._clients.peek(client_id)
        return client.web_origins if client else ()

    async def _every_origin(self) -> frozenset[str]:
        """Return the origins of all clients; while the database is down, the last known ones, so that a page can read
        the error that tells it to try again."""
        try:
            origins = await self._origins.get(None)
        except Unavailable:
            origins = self._origins.peek(None)
        return origins or frozenset()


def _to(origin: list[str], allowed: Collection[str], headers: Mapping[str, str]) -> dict[str, str]:
    if len(origin) != 1 or origin[0] not in allowed:
        return {"Vary": "Origin"}
    return {_ALLOW_ORIGIN: origin[0], **headers, "Vary": "Origin"}
