"""The tables, one subject per module. Times are integer microseconds since the epoch; lists are words separated by one
space."""

from .attempt import attempts, known_networks
from .authorization import authorizations
from .base import metadata
from .client import clients
from .denied_token import denied_tokens
from .device_code import device_codes
from .event import events
from .key import refresh_keys, signing_keys, subject_keys
from .link import links
from .outbox import outbox
from .server import clocks, deliveries, pruning, settings_seen
from .sign_in import codes, consents, interactions, session_clients, sessions
from .user import user_claims, users

__all__ = [
    "attempts",
    "authorizations",
    "clients",
    "clocks",
    "codes",
    "consents",
    "deliveries",
    "denied_tokens",
    "device_codes",
    "events",
    "interactions",
    "known_networks",
    "links",
    "metadata",
    "outbox",
    "pruning",
    "refresh_keys",
    "session_clients",
    "sessions",
    "settings_seen",
    "signing_keys",
    "subject_keys",
    "user_claims",
    "users",
]
