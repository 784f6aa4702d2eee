"""What a caller is told: one constant sentence per error code (RFC 6749 s5.2), never its own input.

Every error carries two texts: the constant one here, and a detail for the log, given with `because`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import (
    InvalidClientError,
    InvalidGrantError,
    InvalidRequestError,
    InvalidScopeError,
    UnauthorizedClientError,
)

__all__ = [
    "InvalidClientError",
    "InvalidGrantError",
    "InvalidRequestError",
    "InvalidScopeError",
    "InvalidTargetError",
    "OAuth2Error",
    "Reply",
    "UnauthorizedClientError",
    "because",
    "detail_of",
    "reply_to",
]

SENTENCES = {
    "invalid_request": "The request is malformed: a parameter is missing, repeated or invalid.",
    "invalid_client": "Client authentication failed.",
    "invalid_grant": "The credentials or the token are invalid, expired, revoked or another client's.",
    "unauthorized_client": "This client may not use this grant type.",
    "unsupported_grant_type": "This grant type is not supported.",
    "invalid_scope": "The requested scope is malformed or exceeds what may be granted.",
    "invalid_target": "The requested resource is unknown or was not granted.",
}


class InvalidTargetError(OAuth2Error):
    """RFC 8707 s2."""

    error = "invalid_target"


@dataclass(frozen=True, slots=True)
class Reply:
    """A JSON answer; `body` None is an empty one."""

    status: int
    body: Mapping[str, Any] | None
    headers: Mapping[str, str] = field(default_factory=dict)
    refresh_token_expires_in: int = 0
    """Seconds, for who hands the refresh token on in a cookie."""


def because(error: OAuth2Error, detail: str, told: str = "") -> OAuth2Error:
    """The error, with what the operator reads of it. Nothing secret belongs there, nor what a caller sent. `told` is a
    constant sentence for this caller in place of that of the error's code."""
    error.detail, error.told = detail, told
    return error


def detail_of(error: OAuth2Error) -> str:
    """Authlib's own errors describe a parameter that is missing, and repeat a grant type that is not supported."""
    own = error.description if isinstance(error, InvalidRequestError) else error.error.replace("_", " ")
    return str(getattr(error, "detail", None) or own or "malformed")


def reply_to(error: OAuth2Error, *, by_header: bool) -> Reply:
    """`by_header`: whether the client used the Authorization header."""
    sentence = getattr(error, "told", "") or SENTENCES.get(error.error, SENTENCES["invalid_request"])
    body = {"error": error.error, "error_description": sentence}
    if not isinstance(error, InvalidClientError):
        return Reply(400, body)
    # RFC 6749 s5.2: if the client attempted to authenticate via the "Authorization" request header field, [it] MUST ...
    # include the "WWW-Authenticate" response header field matching the authentication scheme used by the client. To
    # others it is not sent, whatever RFC 9110 s15.5.2 says of 401: in a browser it opens a dialog for a password.
    return Reply(401, body, {"WWW-Authenticate": 'Basic realm="authserver"'} if by_header else {})
