"""Consents. Times are microseconds since the epoch."""

from collections.abc import Iterable

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
        agreed = set(self.scope), set(self.claims), set(self.resources)
        return all(map(set.issuperset, agreed, (scope, claims, resources)))
