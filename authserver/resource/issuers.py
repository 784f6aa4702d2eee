"""The issuers that a guard trusts: `TrustedIssuer`, checked when the guard is made."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any
from urllib.parse import urlsplit

from .jwks import ASYMMETRIC
from .jws import AT_JWT, JWT
from .keys import FetchedKeys, GivenKeys, Keys
from .source import Source, Transport, check_url
from .token import ClaimRules, ScopeClaim

KeySource = Mapping[str, object] | Callable[[], Mapping[str, object]]


@dataclass(frozen=True)
class TrustedIssuer:
    """An issuer with options of its own, for `Guard([TrustedIssuer(...), ...], audience)`.

    url           the issuer's URL, exactly as in its tokens; https, or http on loopback
    audience      this API's name in this issuer's tokens; the guard's unless given
    keys          the JWKS itself, or a callable that returns it at once; then nothing is fetched
    jwks_uri      where the JWKS is, if it should not be looked up in the issuer's metadata
    algorithms    JWS algorithms to accept; asymmetric ones only
    typ           the types of its access tokens: at+jwt (RFC 9068), JWT, or both
    scope_claims  the claims that hold scopes or roles; a tuple is the path to a member within a claim
    allow_http    the issuer or its JWKS may be at an http URL that is not on loopback, as within a cluster

    Wrong values raise ValueError.
    """

    url: str
    _: KW_ONLY
    audience: str | None = None
    keys: KeySource | None = None
    jwks_uri: str | None = None
    algorithms: Sequence[str] = ("RS256",)
    typ: str | Sequence[str] = AT_JWT
    scope_claims: Sequence[ScopeClaim] = ("scope",)
    allow_http: bool = False

    def __post_init__(self) -> None:
        # RFC 8414 s2: a URL that uses the "https" scheme and has no query or fragment components
        if urlsplit(check_url(self.url, "issuer", self.allow_http)).query:
            raise ValueError(f"issuer must not have a query: {self.url!r}")
        if self.keys is not None and self.jwks_uri is not None:
            raise ValueError("give keys or jwks_uri, not both")
        if self.jwks_uri is not None:
            check_url(self.jwks_uri, "jwks_uri", self.allow_http)
        algorithms = self.accepted_algorithms
        if isinstance(self.algorithms, str) or not algorithms or not algorithms <= ASYMMETRIC:
            raise ValueError(f"algorithms must be some of {', '.join(sorted(ASYMMETRIC))}")
        if not self.types or not self.types <= {AT_JWT, JWT}:
            raise ValueError(f"typ must be {AT_JWT}, {JWT} or both")
        if isinstance(self.scope_claims, str) or not self.scope_claims:
            raise ValueError('scope_claims must be a list of claims, like ["scope", "permissions"]')

    @property
    def accepted_algorithms(self) -> frozenset[str]:
        return frozenset(self.algorithms)

    @property
    def types(self) -> frozenset[str]:
        return frozenset([self.typ] if isinstance(self.typ, str) else self.typ)

    def rules(self, audience: str, leeway: float) -> ClaimRules:
        """Return the rules for the claims of its tokens. The guard's `audience` applies if the issuer has none."""
        return ClaimRules(self.url, self.audience or audience, leeway, JWT in self.types, tuple(self.scope_claims))

    def open_keys(self, fetch: Transport | None, now: Callable[[], float]) -> Keys:
        """Return the issuer's keys: the given ones, or keys that `fetch` loads."""
        if self.keys is not None:
            given = self.keys
            return GivenKeys(given if callable(given) else lambda: given, self.accepted_algorithms)
        source = Source(self.url, self.jwks_uri, fetch or _default_transport(), now, self.allow_http)
        return FetchedKeys(source.load, self.accepted_algorithms, now)


def trusted(issuer: str | TrustedIssuer | Sequence[str | TrustedIssuer], **defaults: Any) -> tuple[TrustedIssuer, ...]:
    """Return each issuer as a TrustedIssuer. Issuers that are given by their URL get their options from `defaults`."""
    given = [issuer] if isinstance(issuer, str | TrustedIssuer) else list(issuer)
    if len(given) > 1 and not (defaults["keys"] is defaults["jwks_uri"] is None):
        raise ValueError("with several issuers, each has its own keys or jwks_uri: use TrustedIssuer(url, keys=...)")
    issuers = tuple(TrustedIssuer(each, **defaults) if isinstance(each, str) else each for each in given)
    if not issuers or len({each.url for each in issuers}) < len(issuers):
        raise ValueError("name at least one issuer, and each only once")
    return issuers


def _default_transport() -> Transport:
    # Imported here, not at the first fetch: a fork during an import leaves the module locked for ever in the child.
    from .fetch import fetch

    return fetch
