"""Gives each request an id: it is in the response's X-Request-ID, and in every line that is logged while it is
handled."""

import re
from collections.abc import Awaitable, Callable

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bind_contextvars, get_contextvars

from ..domain.forwarded import TrustedProxies
from ..observability.requests import TRUSTED_PEER
from .network import trusts_peer

HEADER = b"x-request-id"
_ID = re.compile(rb"[A-Za-z0-9._-]{8,128}")


def current_request_id() -> str:
    """Return the id of the request that is being handled; "" outside of one."""
    return str(get_contextvars().get("request_id", ""))


class RequestId:
    """A pure ASGI middleware. A trusted proxy may choose the id, so that its log and ours have the same one."""

    def __init__(self, app: ASGIApp, new_id: Callable[[], bytes], trusted: TrustedProxies) -> None:
        self._app, self._new_id, self._trusted = app, new_id, trusted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope[TRUSTED_PEER] = trusts_peer(scope, self._trusted)
        request_id = self._chosen(scope) or self._new_id().hex()
        header = (HEADER, request_id.encode())

        def send_with_id(message: Message) -> Awaitable[None]:  # without `async`, which would cost a coroutine
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), header]
            return send(message)

        bind_contextvars(request_id=request_id)  # each request runs in a task, and so in a context, of its own
        await self._app(scope, receive, send_with_id)

    def _chosen(self, scope: Scope) -> str | None:
        """Return the id that a trusted proxy sent, if it is one plain word."""
        if not scope[TRUSTED_PEER]:
            return None
        sent = [value for name, value in scope["headers"] if name == HEADER]
        return sent[0].decode() if len(sent) == 1 and _ID.fullmatch(sent[0]) else None
