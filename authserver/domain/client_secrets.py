"""A client's secrets. Two may be valid at once for a while, so that a secret can be replaced without an outage."""

from dataclasses import replace
from hashlib import sha256

from .models import SECOND, Client, Secret


class TwoValid(ValueError):
    """Two secrets are valid already: adding a third would end one that is in use."""

    def __init__(self, new: Secret, old: Secret) -> None:
        super().__init__("Two secrets of the client are valid.")
        self.new, self.old = new, old


def digest(secret: str) -> bytes:
    """Return the hash of a secret that the database stores: 256 random bits need no slow hash."""
    return sha256(secret.encode()).digest()


def new(secret: str) -> Secret:
    """Return a secret that is valid until it is replaced."""
    return Secret(digest(secret))


def is_valid(secret: Secret, now: int) -> bool:
    return secret.expires_at is None or now < secret.expires_at


def valid(client: Client, now: int) -> tuple[Secret, ...]:
    """Return the secrets that are valid at `now` (microseconds), the newest first."""
    return tuple(secret for secret in client.secrets if is_valid(secret, now))


def rotated(client: Client, fresh: Secret, *, now: int, grace: int, ends: str | None = None) -> Client:
    """Return the client with `fresh` as its newest secret; the previous one stays valid for `grace` seconds.

    If two are valid, `ends` says which of them ends now, "new" or "old"; raises TwoValid if it is None.
    """
    secrets, until = valid(client, now), now + grace * SECOND
    if len(secrets) < 2:
        kept = [replace(secret, expires_at=min(secret.expires_at or until, until)) for secret in secrets]
    elif ends is None:
        raise TwoValid(*secrets)
    else:  # the secret that stays has a full grace period again: it is still in use until the new one arrives
        kept = [replace(secrets[0 if ends == "old" else 1], expires_at=until)]
    return replace(client, secrets=(fresh, *kept))
