"""The guard's one exception, `TokenRejected`, and its subclasses, which get different HTTP responses.

Each carries two texts: `description` is a constant that a response may show; `reason` is for the log.
"""

from collections.abc import Sequence
from typing import NamedTuple

EXPIRED = "expired"


class Answer(NamedTuple):
    """The HTTP response to an error: status code, header fields, and JSON body in UTF-8."""

    status: int
    headers: dict[str, str]
    body: bytes


class TokenRejected(Exception):
    """The access token does not grant access. Every error of the guard is this class or a subclass.

    `reason` is a short constant for the log and never for the caller, with one exception: a caller may learn that a
    token has `expired`, since that is set only if signature, type, issuer, audience and every other claim are valid. No
    attribute contains any part of the token.
    `answer` is the HTTP response, set if an adapter raises the error instead of responding (FastAPI).
    """

    status: int = 401
    error: str = "invalid_token"
    description: str = "The access token is invalid"
    answer: Answer | None = None

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
        if self.expired:
            self.description = "The access token has expired"

    def __str__(self) -> str:
        return self.description

    @property
    def expired(self) -> bool:
        """True if the token was valid in every respect except its expiry."""
        return self.reason == EXPIRED

    def challenge(self) -> dict[str, str]:
        """The auth-params of WWW-Authenticate (RFC 6750 s3), without realm."""
        return {"error": self.error, "error_description": self.description}


class TokenMissing(TokenRejected):
    """The request has no Bearer credentials at all."""

    error = "unauthorized"
    description = "An access token is required"

    def challenge(self) -> dict[str, str]:
        # RFC 6750 s3.1: If the request lacks any authentication information, the resource server SHOULD NOT include an
        # error code or other error information.
        return {}


class InvalidRequest(TokenRejected):
    """The Authorization header is repeated or malformed."""

    status = 400
    error = "invalid_request"
    description = "The Authorization header must be given once, as Bearer and one token"


class InsufficientScope(TokenRejected):
    """The token is valid but lacks a scope; `scope` is every scope that the resource requires."""

    status = 403
    error = "insufficient_scope"
    description = "The access token does not have the required scope"

    def __init__(self, scope: Sequence[str]) -> None:
        super().__init__("insufficient scope")
        self.args = (scope,)  # pickle recreates the error from this
        self.scope = tuple(scope)

    def challenge(self) -> dict[str, str]:
        return {**super().challenge(), "scope": " ".join(self.scope)}


class InsufficientAuthentication(TokenRejected):
    """The user must log in again, or with a stronger method (RFC 9470 s3). `max_age` is in seconds; `acr` lists the
    accepted values."""

    error = "insufficient_user_authentication"
    description = "A more recent or stronger authentication is required"

    def __init__(self, max_age: int | None, acr: Sequence[str]) -> None:
        super().__init__("insufficient user authentication")
        self.args = (max_age, acr)
        self.max_age, self.acr = max_age, tuple(acr)

    def challenge(self) -> dict[str, str]:
        age = {} if self.max_age is None else {"max_age": str(self.max_age)}
        acr = {"acr_values": " ".join(self.acr)} if self.acr else {}
        return {**super().challenge(), **acr, **age}


class KeysUnavailable(TokenRejected):
    """The token cannot be verified now: the issuer's keys were never loaded, or not within the last 24 hours."""

    status = 503
    error = "temporarily_unavailable"
    description = "Access tokens cannot be verified at the moment"
    retry_after = 5  # seconds
