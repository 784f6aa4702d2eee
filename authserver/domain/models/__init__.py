"""The values that every layer uses. Times are microseconds since the epoch; lifetimes are seconds."""

from .authorization import Authorization
from .client import Client, Policy, Secret
from .code import Code
from .consent import Consent
from .device_code import DeviceCode
from .interaction import Interaction
from .key import RefreshTokenKey, SigningKey, SubjectKey
from .link import Link, LinkKind
from .session import Session
from .user import User

SECOND = 1_000_000

__all__ = [
    "SECOND",
    "Authorization",
    "Client",
    "Code",
    "Consent",
    "DeviceCode",
    "Interaction",
    "Link",
    "LinkKind",
    "Policy",
    "RefreshTokenKey",
    "Secret",
    "Session",
    "SigningKey",
    "SubjectKey",
    "User",
]
