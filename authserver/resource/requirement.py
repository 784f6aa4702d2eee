"""What a route requires of a valid token."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypedDict

from .errors import InsufficientAuthentication, InsufficientScope, TokenMissing
from .token import SCOPE_TOKEN, AccessToken


class Needs(TypedDict, total=False):
    """The keyword arguments of `guard(...)`, `guard.verify(...)` and every adapter.

    any_of    one of these scopes is enough, in addition to all scopes given one by one
    max_age   seconds since the user logged in (RFC 9470)
    acr       one of these authentication contexts (RFC 9470)
    optional  a request without a token is accepted too, with None as its token; an invalid token is still rejected
    """

    any_of: str | Sequence[str]
    max_age: int | None
    acr: str | Sequence[str]
    optional: bool


@dataclass(frozen=True, slots=True)
class Requirement:
    """A token must have every scope of `scope`, one of `any_of` and one of `acr` if these are given, and a login at
    most `max_age` seconds ago."""

    scope: tuple[str, ...] = ()
    any_of: tuple[str, ...] = ()
    max_age: int | None = None
    acr: tuple[str, ...] = ()
    optional: bool = False

    def check(self, token: AccessToken | None, now: float) -> AccessToken | None:
        """Return `token` if it meets this requirement at `now`. Raises TokenMissing, InsufficientScope and
        InsufficientAuthentication."""
        if token is None:
            if not self.optional:
                raise TokenMissing("no token")
            return None
        if not token.scope.issuperset(self.scope) or (self.any_of and token.scope.isdisjoint(self.any_of)):
            # RFC 6750 s3: "scope" is the required scope. Of alternatives, name the first: having it is enough.
            raise InsufficientScope((*self.scope, *self.any_of[:1]))
        too_old = self.max_age is not None and (token.auth_time is None or now - token.auth_time > self.max_age)
        # RFC 9470 s3: the authentication event does not meet the requirements of the protected resource
        if too_old or (self.acr and token.acr not in self.acr):
            raise InsufficientAuthentication(self.max_age, self.acr)
        return token


def requirement(scope: tuple[str, ...], needs: Needs) -> Requirement:
    """Return the requirement for a developer's arguments. Each scope argument may hold several scopes. Raises
    ValueError."""
    return _of(scope, **needs) if needs else _requirement(scope)


def _of(
    scope: tuple[str, ...],
    any_of: str | Sequence[str] | None = None,
    max_age: int | None = None,
    acr: str | Sequence[str] | None = None,
    optional: bool = False,
) -> Requirement:
    return _requirement(scope, _listed("any_of", any_of), max_age, _listed("acr", acr), optional)


def _listed(name: str, values: str | Sequence[str] | None) -> tuple[str, ...]:
    if values is None:
        return ()
    if not values:  # more likely a mistake in computing the list than the intent to accept every token
        raise ValueError(f"{name} must name at least one value")
    return (values,) if isinstance(values, str) else tuple(values)


@lru_cache(maxsize=256)  # `guard.verify(token, "read")` is called with every request
def _requirement(
    scope: tuple[str, ...],
    any_of: tuple[str, ...] = (),
    max_age: int | None = None,
    acr: tuple[str, ...] = (),
    optional: bool = False,
) -> Requirement:
    scopes, alternatives = _words(scope), _words(any_of)
    for word in (*scopes, *alternatives, *acr):
        if not SCOPE_TOKEN.fullmatch(word):  # it goes into a challenge between quotes
            raise ValueError(f"not a scope or acr value: {word!r}")
    if max_age is not None and max_age < 0:
        raise ValueError("max_age must not be negative")
    return Requirement(scopes, alternatives, max_age, acr, optional)


def _words(scopes: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(word for item in scopes for word in item.split(" ")))
