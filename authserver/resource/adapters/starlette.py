"""Starlette: a decorator for endpoints, functions and methods of HTTPEndpoint, HTTP and WebSocket, sync and async."""

from collections.abc import Callable
from functools import wraps
from inspect import iscoroutinefunction
from typing import Any, TypeVar, cast

from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.websockets import WebSocket

from ..errors import TokenRejected
from ..gate import Gate

View = TypeVar("View", bound=Callable[..., Any])


def protect(gate: Gate) -> Callable[[View], View]:
    """Return a decorator for an endpoint: only requests that `gate` admits reach the endpoint."""

    def decorate(endpoint: View) -> View:
        guarded = _async(gate, endpoint) if iscoroutinefunction(endpoint) else _sync(gate, endpoint)
        return cast(View, wraps(endpoint)(guarded))

    return decorate


def _async(gate: Gate, endpoint: Callable[..., Any]) -> Callable[..., Any]:
    async def guarded(*args: Any, **kwargs: Any) -> Any:
        connection = _connection(args, kwargs)
        try:
            connection.state.token = await gate.aadmit(connection.headers.getlist("authorization"))
        except TokenRejected as rejected:
            return await _reject(connection, _response(gate, rejected))
        return await endpoint(*args, **kwargs)

    return guarded


def _sync(gate: Gate, endpoint: Callable[..., Any]) -> Callable[..., Any]:
    def guarded(*args: Any, **kwargs: Any) -> Any:  # Starlette runs it in a thread, where it may wait
        connection = _connection(args, kwargs)
        try:
            connection.state.token = gate.admit(connection.headers.getlist("authorization"))
        except TokenRejected as rejected:
            return _response(gate, rejected)
        return endpoint(*args, **kwargs)

    return guarded


def _connection(args: tuple[Any, ...], kwargs: dict[str, Any]) -> HTTPConnection:
    for value in (*args, *kwargs.values()):
        if isinstance(value, HTTPConnection):
            return value
    raise TypeError("@guard.starlette needs an endpoint that takes the request; in FastAPI use Depends(guard(...))")


def _response(gate: Gate, rejected: TokenRejected) -> Response:
    answer = gate.answer(rejected)
    return Response(answer.body, answer.status, answer.headers)


async def _reject(connection: HTTPConnection, response: Response) -> Response | None:
    if not isinstance(connection, WebSocket):
        return response
    if "websocket.http.response" in connection.scope.get("extensions", {}):
        await connection.send_denial_response(response)
    else:
        await connection.close()  # before it is accepted, so the server responds with 403
    return None
