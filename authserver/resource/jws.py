"""The strict front end: it parses a compact JWS before joserfc or any key is used.

Whatever can be rejected without checking the signature is rejected here, so no library ever sees a malformed token.
"""

from binascii import Error, a2b_base64
from collections.abc import Container
from typing import NamedTuple

from .errors import TokenRejected
from .strict_json import ReadOnly, strict_json

MAX_TOKEN = 8192  # bytes, compared before anything is decoded
MAX_HEADER = 1024  # bytes, decoded
MAX_KID = 512  # characters of any kind: a kid is compared and never shown, and cloud key services put whole paths there

AT_JWT, JWT = "at+jwt", "JWT"
# RFC 7515 s4.1.9: "application/" may be omitted; RFC 2045 s5.1: matching of media type is ALWAYS case-insensitive
_TYPES = {"at+jwt": AT_JWT, "application/at+jwt": AT_JWT, "jwt": JWT, "application/jwt": JWT}
# jku, x5u, x5c and jwk would let a token bring its own key; crit and b64 change how it must be read. None is allowed.
# A thumbprint only names a key, as kid does, and is ignored.
_THUMBPRINTS = ("x5t", "x5t#S256")
_MEMBERS = frozenset({"alg", "kid", "typ", *_THUMBPRINTS})
# Maps the URL alphabet to the plain one, and "+", "/" and "=" to a character that base64 does not have.
_ALPHABET = bytes.maketrans(b"-_+/=", b"+/!!!")
_ENDINGS = {0: None, 2: frozenset(b"AQgw"), 3: frozenset(b"AEIMQUYcgkosw048")}
_PADDING = {0: b"", 2: b"==", 3: b"="}


def split(token: str) -> tuple[bytes, bytes, bytes]:
    """Return the header, payload and signature segments of `token`, still encoded. Raises TokenRejected."""
    if len(token) > MAX_TOKEN:
        raise TokenRejected("larger than 8 KiB")
    if not token.isascii():
        raise TokenRejected("not ASCII")
    segments = token.encode("ascii").split(b".")
    if len(segments) != 3 or not all(segments):
        raise TokenRejected("not three segments")
    return segments[0], segments[1], segments[2]


def decode(segment: bytes) -> bytes:
    """Decode a base64url segment, which must have the canonical encoding (RFC 7515 s2). Raises TokenRejected."""
    rest = len(segment) % 4
    if rest == 1 or (rest and segment[-1] not in (_ENDINGS[rest] or b"")):
        raise TokenRejected("not canonical base64url")
    try:
        return a2b_base64(segment.translate(_ALPHABET) + _PADDING[rest], strict_mode=True)
    except Error:
        raise TokenRejected("not canonical base64url") from None


def read_object(data: bytes, name: str) -> ReadOnly:
    """Return the JSON object in `data`; `name` is for the log. Raises TokenRejected."""
    try:
        value = strict_json(data)
    except ValueError:
        raise TokenRejected(f"the {name} is not strict JSON") from None
    if not isinstance(value, ReadOnly):
        raise TokenRejected(f"the {name} is not an object")
    return value


class Header(NamedTuple):
    alg: str
    kid: str
    typ: str  # AT_JWT or JWT


def is_kid(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= MAX_KID


def read_header(segment: bytes, algorithms: Container[str], types: Container[str]) -> Header:
    """Return the decoded header, if an access token may have it. Raises TokenRejected."""
    data = decode(segment)
    if len(data) > MAX_HEADER:
        raise TokenRejected("header larger than 1 KiB")
    header = read_object(data, "header")
    if not _MEMBERS.issuperset(header) or not all(isinstance(header.get(name, ""), str) for name in _THUMBPRINTS):
        raise TokenRejected("header member not allowed")
    alg, kid, typ = header.get("alg"), header.get("kid"), header.get("typ")
    # RFC 9068 s4: The resource server MUST verify that the "typ" header value is "at+jwt" or "application/at+jwt"
    typ = _TYPES.get(typ.lower()) if isinstance(typ, str) else None
    if typ is None or typ not in types:
        raise TokenRejected("wrong typ for an access token")
    if not isinstance(alg, str) or alg not in algorithms:
        raise TokenRejected("algorithm not allowed")
    if not isinstance(kid, str) or not is_kid(kid):
        raise TokenRejected("kid missing or malformed")
    return Header(alg, kid, typ)
