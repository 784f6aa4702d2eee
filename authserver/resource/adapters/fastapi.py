"""FastAPI: a dependency that gives the route its token, and the documents their padlock."""

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import HTTPException, Request, Response, Security
from fastapi.openapi.models import HTTPBearer
from fastapi.requests import HTTPConnection
from fastapi.security.base import SecurityBase

from authserver.resource.errors import TokenRejected
from authserver.resource.gate import Gate
from authserver.resource.token import AccessToken


class _Scheme(SecurityBase):
    """Only for the OpenAPI document; FastAPI's own HTTPBearer would parse the header in its own way."""

    def __init__(self) -> None:
        self.model = HTTPBearer(bearerFormat="JWT", description="An access token (RFC 9068)")
        self.scheme_name = "accessToken"

    async def __call__(self) -> None:
        return None


def dependency(gate: Gate) -> Callable[..., Awaitable[AccessToken]]:
    """A dependency for `Depends`, on HTTP and WebSocket routes."""
    scheme = Security(_Scheme(), scopes=list(gate.scope))

    async def access_token(connection: HTTPConnection, _: Annotated[None, scheme]) -> AccessToken:
        try:
            return await gate.aadmit(connection.headers.getlist("authorization"))
        except TokenRejected as rejected:
            rejected.answer = gate.answer(rejected)
            raise _handled(connection, rejected) from None

    return access_token


def _handled(connection: HTTPConnection, rejected: TokenRejected) -> Exception:
    """`rejected`, with a handler for it in this application unless it has one, so that nobody must install it."""
    handlers, _ = connection.scope.get("starlette.exception_handlers", (None, None))
    if handlers is None:  # a Starlette that keeps them elsewhere: the right status and challenge at least
        answer = rejected.answer
        return rejected if answer is None else HTTPException(answer.status, rejected.description, answer.headers)
    handlers.setdefault(TokenRejected, _respond)
    return rejected


async def _respond(request: Request, rejected: TokenRejected) -> Response:
    if rejected.answer is None:  # a TokenRejected that the user's own code let go
        raise rejected
    return Response(rejected.answer.body, rejected.answer.status, rejected.answer.headers)
