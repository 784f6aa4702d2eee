"""Users. Times are microseconds since the epoch."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class User:
    id: str
    username: str
    password_hash: str
    credential_version: int = 0
    disabled: bool = False
    created_at: int = 0
