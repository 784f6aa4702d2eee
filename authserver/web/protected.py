"""GET /api/protected: a resource server in this process, protected by the same `Guard` that APIs use."""

from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ..domain.algorithms import ALGORITHMS, TYPS
from ..keyring import Keyring
from ..resource import Guard, TokenRejected


def protected(issuer: str, keyring: Keyring, now: Callable[[], int]) -> Any:
    """Return the endpoint. It verifies offline, with the key set of this process; `now` returns microseconds."""
    audience = f"{issuer}/api"
    guard = Guard(
        issuer,
        audience,
        typ=TYPS,
        keys=lambda: keyring.jwks,
        algorithms=ALGORITHMS,
        now=lambda: now() / 1_000_000,
        body=_plain,
    )

    @guard.starlette()
    async def protected(request: Request) -> Response:
        token = request.state.token
        body = {"sub": token.subject, "client_id": token.client_id, "expires_at": token.expires_at}
        return JSONResponse(body, headers={"Cache-Control": "no-store"})

    return protected


def _plain(rejected: TokenRejected) -> dict[str, object]:
    return {"error": rejected.description.replace("The access", "Access").replace("An access", "Access")}
