"""The values that every layer uses. Times are microseconds since the epoch; lifetimes are seconds."""

from .authorization import Authorization
from .client import Client, Policy, Secret
from .key import RefreshTokenKey, SigningKey
from .user import User

SECOND = 1_000_000

__all__ = ["SECOND", "Authorization", "Client", "Policy", "RefreshTokenKey", "Secret", "SigningKey", "User"]
