"""What people may do with their own accounts."""

from dataclasses import dataclass

from . import profile


@dataclass(frozen=True, slots=True)
class AccountPolicy:
    profile_claims: tuple[str, ...] = profile.DEFAULT
    """The claims that people may edit."""
    deletion_grace: int = 14 * 86400
    """Seconds between a user's request to delete their account and its deletion."""
