"""The resource server's side: `Guard` protects an API with access tokens that it verifies offline.

    guard = Guard("https://login.example", audience="https://api.example")

    @app.get("/notes")                                               # FastAPI
    def notes(token: Annotated[AccessToken, Depends(guard("read"))]): ...

    @guard.starlette("read")   @guard.flask("read")   @guard.django("read")
    guard.wsgi(app, "read")    guard.asgi(app, "read")
    token = guard.verify(text, "read")                               # anywhere; await guard.averify(...)

docs/guard.md has all of it. Stands alone: joserfc and the standard library only, a framework when its adapter is used.
A token's way: bearer.py (header) -> jws.py (strict front end) -> keys.py (which key) -> joserfc (signature) -> token.py
(claims) -> requirement.py (scope); verifier.py holds the order. issuers.py says whom a guard trusts, source.py and
fetch.py get their keys. errors.py has what can be refused.

Safe across a fork at any moment: the caches have no locks, what fetches have told is replaced as a whole, and keys.py
makes its lock again in the child. Nothing is imported after a guard was made, for a fork during an import would leave
the child a module that is locked for ever.
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
