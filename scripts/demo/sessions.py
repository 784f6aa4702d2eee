"""Sessions in memory. A browser has only the key of its own session, in a cookie that no script can read."""

import secrets
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LIMIT = 1000  # sessions; then the oldest is forgotten


class Session(dict[str, Any]):
    """What is known about one browser. Set `renewed` when someone signs in: nobody else can know the new key."""

    renewed = False


class Sessions:
    """Middleware that sets `request.session`, as Authlib's client for Starlette expects it."""

    def __init__(self, app: ASGIApp, cookie: str) -> None:
        self._app, self._cookie = app, cookie
        self._kept: dict[str, Session] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        key = HTTPConnection(scope).cookies.get(self._cookie, "")
        session = scope["session"] = self._kept.get(key) or Session()

        async def send_with_cookie(message: Message) -> None:
            if message["type"] == "http.response.start":
                new = self._keep(key, session)
                if new != key:
                    attributes = "Path=/; HttpOnly; SameSite=Lax" + ("" if new else "; Max-Age=0")
                    MutableHeaders(scope=message).append("set-cookie", f"{self._cookie}={new}; {attributes}")
            await send(message)

        return await self._app(scope, receive, send_with_cookie)

    def _keep(self, key: str, session: Session) -> str:
        """Return the key of the session from now on; empty if there is nothing to keep."""
        if session and key in self._kept and not session.renewed:
            return key
        self._kept.pop(key, None)
        if not session:
            return ""
        if len(self._kept) == LIMIT:
            del self._kept[next(iter(self._kept))]
        session.renewed = False
        new = secrets.token_urlsafe(32)
        self._kept[new] = session
        return new
