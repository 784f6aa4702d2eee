"""The resource server's side: `Guard` protects an API. It verifies access tokens offline.

    guard = Guard("https://login.example", audience="https://api.example")

    @app.get("/notes")                                               # FastAPI
    def notes(token: Annotated[AccessToken, Depends(guard("read"))]): ...

    @guard.starlette("read")   @guard.flask("read")   @guard.django("read")
    guard.wsgi(app, "read")    guard.asgi(app, "read")
    token = guard.verify(text, "read")                               # anywhere; await guard.averify(...)

docs/reference/guard.md documents everything. This package imports only joserfc and the standard library, plus a
framework when its adapter is used. It imports nothing else from authserver.

A token passes bearer.py (header), jws.py (strict parsing), keys.py (key lookup), joserfc (signature), token.py (claims)
and requirement.py (scope); verifier.py calls them in order. issuers.py defines which issuers a guard trusts, source.py
and fetch.py load their keys, and errors.py contains the errors.

The process may fork at any moment: the caches have no locks, the result of a fetch is replaced as a whole, and keys.py
creates a new lock in the child. Nothing is imported after a guard is created, because a fork during an import would
leave that module locked for ever in the child.
"""

from .errors import (
    Answer,
    InsufficientAuthentication,
    InsufficientScope,
    InvalidRequest,
    KeysUnavailable,
    TokenMissing,
    TokenRejected,
)
from .guard import Guard
from .issuers import TrustedIssuer
from .source import Fetched
from .token import AccessToken

__all__ = [
    "AccessToken",
    "Answer",
    "Fetched",
    "Guard",
    "InsufficientAuthentication",
    "InsufficientScope",
    "InvalidRequest",
    "KeysUnavailable",
    "TokenMissing",
    "TokenRejected",
    "TrustedIssuer",
]
