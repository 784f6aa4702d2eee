"""Verifies access tokens: runs the checks in order, and caches the tokens that pass them."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from .cache import Lru
from .errors import TokenRejected
from .jwks import Key
from .jws import Header, decode, read_header, read_object, split
from .keys import Keys
from .token import AccessToken, ClaimRules, read_claims

REMEMBERED = 1024  # tokens
HEADERS = 64  # headers of one issuer, which has one for each key


class KnownIssuer:
    """Everything needed to verify the tokens of one issuer."""

    def __init__(self, keys: Keys, algorithms: frozenset[str], types: frozenset[str], rules: ClaimRules) -> None:
        self.keys, self.rules = keys, rules
        self._algorithms, self._types = algorithms, types
        self.headers: Lru[bytes, Header] = Lru(HEADERS)

    def read_header(self, segment: bytes) -> Header:
        return self.headers.get(segment) or read_header(segment, self._algorithms, self._types)


class Verified(NamedTuple):
    token: AccessToken
    key: Key
    issuer: KnownIssuer

    def holds(self, now: float, wait: bool) -> bool:
        """Whether the token has not expired and the issuer still publishes its key."""
        in_time = now < self.token.expires_at + self.issuer.rules.leeway
        return in_time and self.issuer.keys.find(self.key.kid, wait) is self.key


class Verifier:
    """Verifies the access tokens of `issuers`; thread-safe. `now` is the clock."""

    def __init__(self, issuers: Sequence[KnownIssuer], now: Callable[[], float]) -> None:
        self._issuers = {issuer.rules.issuer: issuer for issuer in issuers}
        self._only = issuers[0] if len(issuers) == 1 else None
        self._now = now
        self._verified: Lru[str, Verified] = Lru(REMEMBERED)

    def verify(self, token: str, wait: bool = True) -> AccessToken:
        """Return the verified `token`. Raises TokenRejected and, without `wait`, WouldWait instead of waiting."""
        if not isinstance(token, str):
            raise TokenRejected("not a string")
        now = self._now()
        remembered = self._verified.get(token)
        if remembered is not None:
            if remembered.holds(now, wait):
                return remembered.token
            self._verified.drop(token)
        verified = self._verify(token, now, wait)
        self._verified.put(token, verified)
        return verified.token

    def _verify(self, token: str, now: float, wait: bool) -> Verified:
        encoded, payload, signature = split(token)
        signed, claims = decode(signature), decode(payload)
        issuer = self._only or self._claimed_issuer(claims)
        header = issuer.read_header(encoded)
        key = issuer.keys.find(header.kid, wait)
        check = key.checks.get(header.alg) if key else None
        if key is None or check is None:
            raise TokenRejected("no such key, or not for this algorithm")
        if not check(encoded + b"." + payload, signed):
            raise TokenRejected("wrong signature")
        issuer.headers.put(encoded, header)  # cache only what an issuer signed
        members = read_object(claims, "payload")
        return Verified(read_claims(members, header.typ, issuer.rules, now), key, issuer)

    def _claimed_issuer(self, claims: bytes) -> KnownIssuer:
        """Return the issuer that the token claims to be from. This only selects the keys and rules, which then verify
        the whole token, including `iss`.
        """
        name = read_object(claims, "payload").get("iss")
        issuer = self._issuers.get(name) if isinstance(name, str) else None
        if issuer is None:
            raise TokenRejected("wrong issuer")
        return issuer
