"""What every answer must look like in full, whatever was sent, so that nothing else can leave the server."""

import json
import re
from base64 import urlsafe_b64decode
from dataclasses import dataclass
from typing import Any

from authserver.oauth.error_descriptions import SENTENCES

JSON_HEADERS = {
    "content-type": "application/json",
    "cache-control": "no-store",
    "pragma": "no-cache",
    "x-content-type-options": "nosniff",
}
_CHALLENGE = re.compile(r'Basic realm="[a-z]+"')
_DESCRIPTION = re.compile(r"[\x20-\x21\x23-\x5B\x5D-\x7E]+")  # RFC 6749 s5.2
_OF_THE_CONNECTION = {"x-request-id", "content-length", "date", "connection"}


@dataclass(frozen=True)
class ExpectedError:
    """Its description is a constant: so no answer that equals it can echo what was sent."""

    status: int
    error: str
    description: str
    headers: frozenset[str] = frozenset()
    """The names of those that it has beside JSON_HEADERS."""


def _oauth(error: str, status: int = 400, *headers: str) -> ExpectedError:
    return ExpectedError(status, error, SENTENCES[error], frozenset(headers))


INVALID_REQUEST = _oauth("invalid_request")
INVALID_CLIENT = _oauth("invalid_client", 401)
CHALLENGED = _oauth("invalid_client", 401, "www-authenticate")
"""The same to a client that used the Authorization header (RFC 6749 s5.2)."""
DISABLED = ExpectedError(401, "invalid_client", "This client is disabled.")
"""To one that has proved its secret."""
INVALID_GRANT = _oauth("invalid_grant")
UNAUTHORIZED_CLIENT = _oauth("unauthorized_client")
UNSUPPORTED_GRANT_TYPE = _oauth("unsupported_grant_type")
INVALID_SCOPE = _oauth("invalid_scope")
INVALID_TARGET = _oauth("invalid_target")
NOT_FOUND = ExpectedError(404, "not_found", "There is nothing at this address.")
NOT_ALLOWED = ExpectedError(405, "invalid_request", "This method is not allowed here.", frozenset({"allow"}))
TOO_LARGE = ExpectedError(413, "invalid_request", "The body exceeds 64 KiB.")
ENCODED = ExpectedError(415, "invalid_request", "A body with a Content-Encoding is not accepted.")
MALFORMED_HTTP = ExpectedError(400, "invalid_request", "The HTTP request is malformed.")
TOO_MANY = _oauth("temporarily_unavailable", 429, "retry-after")
UNAVAILABLE = ExpectedError(
    503, "temporarily_unavailable", "The server is temporarily unavailable. Try again.", frozenset({"retry-after"})
)


def assert_refused(answer: Any, expected: ExpectedError, *, longest_wait: int = 10) -> None:
    """Status, every header and the whole body; `answer` is anything with status_code, headers and json()."""
    assert answer.status_code == expected.status, answer.text
    assert answer.json() == {"error": expected.error, "error_description": expected.description}
    assert _DESCRIPTION.fullmatch(expected.description)
    headers = {name.lower(): value for name, value in answer.headers.items()}
    assert JSON_HEADERS.items() <= headers.items()
    assert headers.keys() - JSON_HEADERS.keys() - _OF_THE_CONNECTION == expected.headers
    if "www-authenticate" in expected.headers:
        assert _CHALLENGE.fullmatch(headers["www-authenticate"])
    if "retry-after" in expected.headers:
        assert 1 <= int(headers["retry-after"]) <= longest_wait


def assert_granted(answer: Any) -> dict[str, Any]:
    """A success of /token (RFC 6749 s5.1); returns its members."""
    assert answer.status_code == 200, answer.text
    headers = {name.lower(): value for name, value in answer.headers.items()}
    assert JSON_HEADERS.items() <= headers.items()
    assert headers.keys() - JSON_HEADERS.keys() <= _OF_THE_CONNECTION
    body: dict[str, Any] = answer.json()
    assert body.keys() - {"refresh_token"} == {"access_token", "token_type", "expires_in", "scope"}
    assert body["token_type"] == "Bearer"
    return body


def assert_done(answer: Any) -> None:
    """A success of /revoke (RFC 7009 s2.2): 200 and nothing that says more."""
    assert (answer.status_code, answer.text) == (200, "{}")
    headers = {name.lower(): value for name, value in answer.headers.items()}
    assert JSON_HEADERS.items() <= headers.items()
    assert headers.keys() - JSON_HEADERS.keys() <= _OF_THE_CONNECTION


def claims_of(body: dict[str, Any], name: str = "access_token") -> dict[str, Any]:
    """The claims of one of an answer's tokens, unverified: the tests of the JWKS verify."""
    payload = body[name].split(".")[1]
    claims: dict[str, Any] = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    assert claims["exp"] - claims["iat"] == body["expires_in"]
    return claims
