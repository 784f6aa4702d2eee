"""PRECIS forms of usernames and passwords (RFC 8265), and Argon2id in a bounded pool with a bounded queue."""

import os
from dataclasses import dataclass

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError
from precis_i18n import get_profile

from .pool import Pool

MAX_USERNAME = 256  # code points
MAX_PASSWORD = 1024  # bytes
_USERNAME = get_profile("UsernameCaseMapped")
_PASSWORD = get_profile("OpaqueString")


def username_form(text: str) -> str | None:
    """The one form of a username (RFC 8265 s3.3), or None if no account can have it."""
    return _enforce(_USERNAME.enforce, text) if len(text) <= MAX_USERNAME else None


def password_form(text: str) -> str | None:
    """The one form of a password (RFC 8265 s4.2: nothing trimmed, nothing folded), or None if nobody can have it."""
    return _enforce(_PASSWORD.enforce, text) if len(text.encode(errors="replace")) <= MAX_PASSWORD else None


def _enforce(enforce: object, text: str) -> str | None:
    try:
        return str(enforce(text))  # type: ignore[operator]
    except UnicodeError:
        return None


@dataclass(frozen=True, slots=True)
class Match:
    """Whether the password is right; `rehashed` is it under today's parameters if the stored hash has older ones."""

    matches: bool
    rehashed: str | None = None


_NO_MATCH = Match(False)


class Passwords:
    """Hashes on all but one core, so that whoever refreshes meanwhile is not held up."""

    def __init__(self, queue: int = 128) -> None:
        """`queue` is how many may wait; more are refused."""
        threads = max(1, (os.cpu_count() or 1) - 1)
        self._hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1, type=Type.ID)
        self._pool = Pool("password", threads, queue)
        self._nobody = self.hash("nobody has this password")

    def hash(self, password: str) -> str:
        """Of a password in its PRECIS form."""
        return self._hasher.hash(password)

    async def match(self, password_hash: str | None, password: str | None) -> Match:
        """The same work whether or not there is a user or a password. Raises Unavailable when the queue is full."""
        found = await self._pool.run(self._match, password_hash or self._nobody, password or "")
        return found if password_hash is not None and password is not None else _NO_MATCH

    def close(self) -> None:
        self._pool.close()

    def _match(self, password_hash: str, password: str) -> Match:
        try:
            self._hasher.verify(password_hash, password)
        except (VerificationError, InvalidHashError):
            return _NO_MATCH
        stale = self._hasher.check_needs_rehash(password_hash)
        return Match(True, self._hasher.hash(password) if stale else None)
