"""ASGI: a middleware that protects a whole application, HTTP and WebSocket."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from ..errors import Answer, TokenRejected
from ..gate import Gate

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]


def protect(gate: Gate, app: ASGIApp) -> ASGIApp:
    """Protect `app` by `gate`. A middleware for CORS preflights must wrap the result."""

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await app(scope, receive, send)
        values = [value.decode("latin-1") for name, value in scope["headers"] if name.lower() == b"authorization"]
        try:
            scope.setdefault("state", {})["token"] = await gate.aadmit(values)
        except TokenRejected as rejected:
            return await _send_answer(scope, send, gate.answer(rejected))
        await app(scope, receive, send)
        return None

    return guarded


async def _send_answer(scope: Scope, send: Send, answer: Answer) -> None:
    prefix = ""
    if scope["type"] == "websocket":
        if "websocket.http.response" not in scope.get("extensions", {}):
            return await send({"type": "websocket.close"})  # before it is accepted, so the server responds with 403
        prefix = "websocket."
    fields = {**answer.headers, "Content-Length": str(len(answer.body))}
    headers = [(name.lower().encode(), value.encode("latin-1")) for name, value in fields.items()]
    await send({"type": f"{prefix}http.response.start", "status": answer.status, "headers": headers})
    await send({"type": f"{prefix}http.response.body", "body": answer.body})
    return None
