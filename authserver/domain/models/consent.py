"""Consents. Times are microseconds since the epoch."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Self

from ..record import record


@record(frozen=True, slots=True)
class Consent:
    """What a user allows a client, whenever the client asks."""

    user_id: str
    client_id: str
    scope: tuple[str, ...]
    claims: tuple[str, ...]
    """The names of claims beyond those of the scope."""
    resources: tuple[str, ...]
    granted_at: int

    def covers(self, scope: Iterable[str], claims: Iterable[str], resources: Iterable[str]) -> bool:
        if not set(self.scope).issuperset(scope):
            return False
        return set(self.claims).issuperset(claims) and set(self.resources).issuperset(resources)

    def with_earlier(self, earlier: Self | None) -> Self:
        """Return this consent together with what the user allowed the client before."""
        if earlier is None:
            return self
        return replace(
            self,
            scope=_union(earlier.scope, self.scope),
            claims=_union(earlier.claims, self.claims),
            resources=_union(earlier.resources, self.resources),
        )


def _union(earlier: Iterable[str], more: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys([*earlier, *more]))
