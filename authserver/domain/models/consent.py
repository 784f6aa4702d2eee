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
        return (
            set(scope) <= set(self.scope) and set(claims) <= set(self.claims) and set(resources) <= set(self.resources)
        )
