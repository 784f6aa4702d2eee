"""What a route asks of a token beyond its being good."""

from dataclasses import dataclass
from functools import lru_cache

from authserver.resource.errors import InsufficientAuthentication, InsufficientScope
from authserver.resource.token import SCOPE_TOKEN, AccessToken


@dataclass(frozen=True, slots=True)
class Requirement:
    """Every one of `scope`; a login at most `max_age` seconds ago; one of the authentication contexts `acr`."""

    scope: tuple[str, ...] = ()
    max_age: int | None = None
    acr: tuple[str, ...] = ()

    def check(self, token: AccessToken, now: float) -> AccessToken:
        """`token`, if it meets this at the time `now`; raises InsufficientScope and InsufficientAuthentication."""
        if not token.scope.issuperset(self.scope):
            raise InsufficientScope(self.scope)
        too_old = self.max_age is not None and (token.auth_time is None or now - token.auth_time > self.max_age)
        # RFC 9470 s3: the authentication event does not meet the requirements of the protected resource
        if too_old or (self.acr and token.acr not in self.acr):
            raise InsufficientAuthentication(self.max_age, self.acr)
        return token


@lru_cache(maxsize=256)  # `guard.verify(token, "read")` comes by with every request
def requirement(scope: tuple[str, ...], max_age: int | None, acr: tuple[str, ...]) -> Requirement:
    """The requirement in a developer's words: scopes one by one or several in one string; raises ValueError."""
    scopes = tuple(dict.fromkeys(word for item in scope for word in item.split(" ")))
    for word in (*scopes, *acr):
        if not SCOPE_TOKEN.fullmatch(word):  # it goes into a challenge between quotes
            raise ValueError(f"not a scope or acr value: {word!r}")
    if max_age is not None and max_age < 0:
        raise ValueError("max_age must not be negative")
    return Requirement(scopes, max_age, acr)
