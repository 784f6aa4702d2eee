"""From a string to an `AccessToken`: the order of the checks, and the memory of tokens that passed them."""

from collections.abc import Callable
from typing import NamedTuple

from authserver.resource.cache import Lru
from authserver.resource.errors import TokenRejected
from authserver.resource.jwks import Key
from authserver.resource.jws import decode, read_header, read_object, split
from authserver.resource.keys import Keys
from authserver.resource.token import AccessToken, read_claims

REMEMBERED = 1024  # tokens
HEADERS = 64  # headers; an issuer has one for each key


class Verified(NamedTuple):
    token: AccessToken
    key: Key


class Verifier:
    """Verifies the access tokens of one issuer for one audience; thread-safe. `leeway` in seconds, `now` the clock."""

    def __init__(
        self,
        issuer: str,
        audience: str,
        keys: Keys,
        algorithms: frozenset[str],
        leeway: float,
        now: Callable[[], float],
    ) -> None:
        self._issuer, self._audience, self._keys = issuer, audience, keys
        self._algorithms, self._leeway, self._now = algorithms, leeway, now
        self._verified: Lru[str, Verified] = Lru(REMEMBERED)
        self._headers: Lru[bytes, tuple[str, str]] = Lru(HEADERS)

    def verify(self, token: str, wait: bool = True) -> AccessToken:
        """What `token` says, if all of it holds; raises TokenRejected. Without `wait`, WouldWait instead of waiting."""
        if not isinstance(token, str):
            raise TokenRejected("not a string")
        now = self._now()
        known = self._verified.get(token)
        if known is not None:
            if self._still_holds(known, now, wait):
                return known.token
            self._verified.drop(token)
        verified = self._verify(token, now, wait)
        self._verified.put(token, verified)
        return verified.token

    def _still_holds(self, known: Verified, now: float, wait: bool) -> bool:
        in_time = now < known.token.expires_at + self._leeway
        return in_time and self._keys.find(known.key.kid, now, wait) is known.key

    def _verify(self, token: str, now: float, wait: bool) -> Verified:
        header, payload, signature = split(token)
        alg, kid = self._headers.get(header) or read_header(header, self._algorithms)
        signed, claims = decode(signature), decode(payload)
        key = self._keys.find(kid, now, wait)
        check = key.checks.get(alg) if key else None
        if key is None or check is None:
            raise TokenRejected("no such key, or not for this algorithm")
        if not check(header + b"." + payload, signed):
            raise TokenRejected("wrong signature")
        self._headers.put(header, (alg, kid))  # only what an issuer signed is worth remembering
        members = read_object(claims, "payload")
        return Verified(read_claims(members, self._issuer, self._audience, now, self._leeway), key)
