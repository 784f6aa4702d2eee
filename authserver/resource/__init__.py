"""The resource server's side: `Guard` protects an API. It verifies access tokens offline.

    guard = Guard("https://login.example", audience="https://api.example")

    @app.get("/notes")                                               # FastAPI
    def notes(token: Annotated[AccessToken, Depends(guard("read"))]): ...

    @guard.starlette("read")   @guard.flask("read")   @guard.django("read")
    guard.wsgi(app, "read")    guard.asgi(app, "read")
    token = guard.verify(text, "read")                               # anywhere; await guard.averify(...)

docs/reference/guard.md documents everything. This package imports only joserfc and the standard library, and a
framework when its adapter is used; nothing else of authserver.

A token passes bearer.py (header), jws.py (strict parsing), keys.py (which key), joserfc (signature), token.py (claims)
and requirement.py (scope); verifier.py has the order. issuers.py says which issuers a guard trusts, source.py and
fetch.py load their keys, errors.py has the errors.

The process may fork at any moment: the caches have no locks, the result of a fetch is replaced as a whole, and keys.py
makes a new lock in the child. Nothing is imported after a guard was made, because a fork during an import would leave
that module locked for ever in the child.
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
