"""Signs and verifies access tokens with one key: JWTs whose headers are encoded once (RFC 7515 s3.1)."""

import json
from collections.abc import Mapping
from typing import Any

import orjson
from joserfc.jws import JWSRegistry

from ..domain import base64url
from ..domain.algorithms import DEFAULT_TYP, TYPS
from ..domain.errors import KeyMissing
from ..domain.logout_token import TYP as LOGOUT
from .jwk import public_key
from .signer import Signer

_compact_json = json.JSONEncoder(separators=(",", ":")).encode
_PLAIN = frozenset({"iss", "sub", "aud", "client_id", "iat", "exp", "jti", "scope", "auth_time", "grant_id"})
"""The claims of an access token that has none of its user."""
_HEADER_SIZE = 800  # bytes; with a kid of 255 characters, each escaped in JSON, our headers have 732


def is_header(segment: bytes) -> bool:
    """Whether this server could have written this header, with any key."""
    members = _members(segment)
    if members.get("typ") not in TYPS:
        return False
    return segment == _header(members["typ"], members.get("alg"), members.get("kid"))


def kid_of(segment: bytes) -> object:
    """Return the `kid` that a header names; None if it is no header."""
    return _members(segment).get("kid")


def _members(segment: bytes) -> dict[str, Any]:
    try:
        members = json.loads(base64url.decode(segment)) if len(segment) <= _HEADER_SIZE else None
    except (ValueError, RecursionError):
        return {}
    return members if isinstance(members, dict) else {}


class AccessTokens:
    """Verifies the access tokens of one key, and signs them if there is a `signer`."""

    def __init__(self, public: Mapping[str, str], alg: str, signer: Signer | None) -> None:
        self.headers = {typ: _header(typ, alg, public["kid"]) for typ in TYPS}
        """The headers of tokens that are verified here. Logout tokens never come back."""
        self._signed_headers = self.headers | {LOGOUT: _header(LOGOUT, alg, public["kid"])}
        self._algorithm, self._public, self._signer = JWSRegistry.algorithms[alg], public_key(public), signer

    @property
    def remote(self) -> bool:
        return self._signer is not None and self._signer.remote

    def sign(self, claims: dict[str, Any], typ: str = DEFAULT_TYP) -> str:
        """Return a JWT of these claims. Raises KeyMissing if the private key was destroyed, and Unavailable if the key
        service fails."""
        if self._signer is None:
            raise KeyMissing("The private key of the signing key was destroyed.")
        # Python's own encoder takes 8 us for these claims.
        signing_input = self._signed_headers[typ] + b"." + _encode(orjson.dumps(claims))
        return (signing_input + b"." + _encode(self._signer.sign(signing_input))).decode()

    def claims(self, header: bytes, payload: bytes, signature: bytes) -> dict[str, Any] | None:
        """Return the claims if the signature of these segments is valid and canonical and the claims are a JSON object;
        otherwise None. Pass the segments as they were sent; `header` must be one of `headers`."""
        try:
            raw = base64url.decode(signature)
        except ValueError:
            return None
        is_genuine = self._algorithm.verify(header + b"." + payload, raw, self._public)
        return _object(payload) if is_genuine else None


def _header(typ: object, alg: object, kid: object) -> bytes:
    return _encode(_compact_json({"alg": alg, "typ": typ, "kid": kid}).encode())


def _object(segment: bytes) -> dict[str, Any] | None:
    """Return None if it is not a JSON object: an imported key may have signed anything."""
    try:
        raw = base64url.decode(segment)
        members = _plain(raw) or json.loads(raw)
    except (ValueError, RecursionError):
        return None
    return members if isinstance(members, dict) else None


def _plain(raw: bytes) -> dict[str, Any] | None:
    """Return the claims of an access token that has none of its user, as most are; None for other JSON. Python's own
    decoder takes 4 us longer, but orjson makes floating-point numbers of large integers, which others may contain."""
    try:
        members = orjson.loads(raw)
    except ValueError:
        return None
    if not isinstance(members, dict) or not members.keys() <= _PLAIN:
        return None
    for value in members.values():
        is_exact = type(value) is str or type(value) is int
        if not is_exact and not (isinstance(value, list) and set(map(type, value)) == {str}):
            return None
    return members


def _encode(raw: bytes) -> bytes:
    return base64url.encode(raw).encode()
