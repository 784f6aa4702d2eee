"""Users. Times are microseconds since the epoch."""

from collections.abc import Mapping
from typing import Any

from ..record import record


@record(frozen=True, slots=True)
class User:
    id: str
    username: str
    password_hash: str
    credential_version: int = 0
    disabled: bool = False
    created_at: int = 0
    delete_at: int | None = None
    """When the account is deleted, if its user asked for that. Until then it is disabled, and its user can return."""
    claims: Mapping[str, Any] | None = None
    """Standard claims and others (domain/claim_rules.py). None if they were not loaded: most requests do not need
    them."""

    @property
    def is_blocked(self) -> bool:
        """Whether an operator disabled the user. Those who asked to be deleted are disabled, too, and can return."""
        return self.disabled and self.delete_at is None
