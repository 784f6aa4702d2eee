"""RFC 6750: reads the token in a request's Authorization header, and makes the response to an error."""

import json
import re
from collections.abc import Callable, Mapping, Sequence

from .errors import Answer, InvalidRequest, KeysUnavailable, TokenMissing, TokenRejected
from .jws import MAX_TOKEN

_B64TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*", re.ASCII)

Body = Callable[[TokenRejected], Mapping[str, object]]


def bearer_token(authorization: Sequence[str]) -> str:
    """Return the token in the values of a request's Authorization headers. Raises TokenMissing and InvalidRequest.

    Tokens in the query string or in a form are ignored (RFC 9700 s4.3.2, RFC 6750 s2.2 and s2.3).
    """
    if not authorization:
        raise TokenMissing("no Authorization header")
    # RFC 9110 s5.3: a sender MUST NOT generate multiple field lines with the same name, lists excepted
    if len(authorization) > 1:
        raise InvalidRequest("more than one Authorization header")
    # RFC 9110 s11.1: It uses a case-insensitive token to identify the authentication scheme
    scheme, _, token = authorization[0].strip(" \t").partition(" ")
    if scheme.lower() != "bearer":
        raise TokenMissing("another authentication scheme")
    token = token.lstrip(" ")
    if len(token) > MAX_TOKEN:
        raise TokenRejected("larger than 8 KiB")
    if not _B64TOKEN.fullmatch(token):
        raise InvalidRequest("not Bearer and one token")
    return token


def json_body(rejected: TokenRejected) -> Mapping[str, object]:
    """Return the default body: the members of an OAuth error (RFC 6749 s5.2), constant for each kind of error."""
    return {"error": rejected.error, "error_description": rejected.description}


def answer(rejected: TokenRejected, realm: str, resource_metadata: str | None, body: Body) -> Answer:
    """Return the HTTP response to `rejected` (RFC 6750 s3, RFC 9728 s5.1, RFC 9470 s3)."""
    headers = {"Content-Type": "application/json", "Cache-Control": "no-store"}
    if isinstance(rejected, KeysUnavailable):
        headers["Retry-After"] = str(rejected.retry_after)
    else:
        metadata = {"resource_metadata": resource_metadata} if resource_metadata else {}
        parameters = {"realm": realm, **rejected.challenge(), **metadata}
        headers["WWW-Authenticate"] = "Bearer " + ", ".join(f'{name}="{value}"' for name, value in parameters.items())
    return Answer(rejected.status, headers, json.dumps(body(rejected)).encode())
