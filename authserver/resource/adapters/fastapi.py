"""FastAPI: a dependency that gives the route its token, and the OpenAPI document its security scheme."""

import re
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import HTTPException, Request, Response, Security
from fastapi.openapi.models import HTTPBearer
from fastapi.requests import HTTPConnection
from fastapi.security.base import SecurityBase

from ..errors import TokenRejected
from ..gate import Gate
from ..token import AccessToken

_ERROR = {
    "type": "object",
    "properties": {"error": {"type": "string"}, "error_description": {"type": "string"}},
    "required": ["error", "error_description"],
}


def _response(description: str) -> dict[str, Any]:
    header = {"description": "The challenge (RFC 6750 section 3)", "schema": {"type": "string"}}
    content = {"application/json": {"schema": _ERROR}}
    return {"description": description, "headers": {"WWW-Authenticate": header}, "content": content}


RESPONSES: dict[int | str, dict[str, Any]] = {
    401: _response("There is no access token, or it is invalid or expired"),
    403: _response("The access token does not have the required scope"),
}


class _Scheme(SecurityBase):
    """Only for the OpenAPI document; FastAPI's own HTTPBearer would parse the header in its own way."""

    def __init__(self, name: str) -> None:
        self.model = HTTPBearer(bearerFormat="JWT", description=f"An access token for {name}")
        # OpenAPI 3.1, Components Object: MUST use keys that match ^[a-zA-Z0-9._-]+$
        self.scheme_name = re.sub(r"[^a-zA-Z0-9._-]+", "-", name.replace("https://", ""))

    async def __call__(self) -> None:
        return None


def dependency(gate: Gate) -> Callable[..., Awaitable[AccessToken | None]]:
    """Return a dependency for `Depends`, for HTTP and WebSocket routes."""
    scheme = Security(_Scheme(gate.name), scopes=[*gate.need.scope, *gate.need.any_of])

    async def access_token(connection: HTTPConnection, _: Annotated[None, scheme]) -> AccessToken | None:
        try:
            return await gate.aadmit(connection.headers.getlist("authorization"))
        except TokenRejected as rejected:
            rejected.answer = gate.answer(rejected)
            raise _handled(connection, rejected) from None

    return access_token


def _handled(connection: HTTPConnection, rejected: TokenRejected) -> Exception:
    """Return `rejected`, after adding a handler for it to this application unless it has one."""
    handlers, _ = connection.scope.get("starlette.exception_handlers", (None, None))
    if handlers is None:  # a Starlette that stores its handlers elsewhere: keep at least the status and challenge
        answer = rejected.answer
        return rejected if answer is None else HTTPException(answer.status, rejected.description, answer.headers)
    handlers.setdefault(TokenRejected, _respond)
    return rejected


async def _respond(request: Request, rejected: TokenRejected) -> Response:  # noqa: ARG001
    if rejected.answer is None:  # a TokenRejected from the application's own code
        raise rejected
    return Response(rejected.answer.body, rejected.answer.status, rejected.answer.headers)
