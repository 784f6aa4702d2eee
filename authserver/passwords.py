"""The canonical form of usernames and passwords, and Argon2id in a bounded pool with a bounded queue."""

import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from unicodedata import category, normalize

import argon2
from argon2.exceptions import InvalidHashError, VerificationError
from precis_i18n import get_profile

from . import cpu, foreign_hashes
from .pool import Pool

MAX_USERNAME = 256  # code points
MAX_PASSWORD = 1024  # bytes
_MAX_WAIT = 10.0  # seconds in the queue
_USERNAME = get_profile("UsernameCaseMapped")
_ASKS_THE_WHOLE_TEXT = tuple(map(re.compile, ("\u30fb", "[\u0660-\u0669]", "[\u06f0-\u06f9]")))
"""The characters whose rules (RFC 5892 A.7 to A.9) examine the whole text, once for each such character."""


def username_form(text: str) -> str | None:
    """Return the canonical form of a username (RFC 8265 s3.3), or None if it is not valid."""
    if len(text) > MAX_USERNAME:
        return None
    try:
        form = str(_USERNAME.idempotence_check(_USERNAME.apply_five_rules(text)))
        _USERNAME.base.enforce(_with_one_of_each(form))
    except UnicodeError:
        return None
    return form or None


def _with_one_of_each(form: str) -> str:
    """Return a text that the rules judge like `form`, but in linear time: 256 such characters blocked the event loop
    for 44 ms. Each one except the first of its kind is replaced by a letter that no other rule examines."""
    for kind in _ASKS_THE_WHOLE_TEXT:
        first = kind.search(form)
        if first:
            form = form[: first.end()] + kind.sub("a", form[first.end() :])
    return form


def password_form(text: str) -> str | None:
    """Return the canonical form of a password, which is the same on every keyboard, or None if it is not valid.

    Every kind of space becomes U+0020, and the text becomes NFC, as in RFC 8265 s4.2.2; nothing is trimmed or
    case-folded. That profile rejects emoji with joiners and variation selectors; here, all characters except controls
    are accepted.
    """
    # NIST SP 800-63B-4 s3.1.1.2: verifiers SHOULD accept all printing ASCII characters, the space and Unicode.
    if not text or len(text.encode(errors="replace")) > MAX_PASSWORD:
        return None
    if text.isascii():
        return text if text.isprintable() else None
    kinds = [category(character) for character in text]
    if "Cc" in kinds or "Cs" in kinds:
        return None
    return normalize("NFC", "".join(" " if kind == "Zs" else own for own, kind in zip(text, kinds, strict=True)))


@cache
def common_passwords() -> frozenset[str]:
    """Return about ten thousand well-known passwords of eight or more characters, case-folded. The list is read when it
    is first needed."""
    lines = files(__package__).joinpath("common_passwords.txt").read_text("utf-8").splitlines()
    return frozenset(line for line in lines if not line.startswith("#"))


@dataclass(frozen=True, slots=True)
class PasswordCheck:
    """Whether the password matches. `rehashed` is its new hash if the stored one was made with other parameters, or by
    another server."""

    matches: bool
    rehashed: str | None = None


_NO_MATCH = PasswordCheck(False)
_ARGON2 = "$argon2"

COST = (2, 19 * 1024)
"""What a hash costs: the passes, and the KiB of memory. OWASP advises no less."""


def threads(workers: int) -> int:
    """Return how many passwords each of this many processes checks at once."""
    return max(1, (cpu.available() - 1) // workers)


class PasswordHasher:
    """Hashes passwords on all CPUs but one, in threads of low priority, so that other requests can use those CPUs
    too."""

    def __init__(self, queue: int = 128, workers: int = 1) -> None:
        """`queue` is how many checks may wait; more are rejected. `workers` is how many processes like this one share
        the CPUs."""
        self._hasher = argon2.PasswordHasher(*COST, parallelism=1, type=argon2.Type.ID)
        self._pool = Pool("password check", threads(workers), queue, _MAX_WAIT, finishes_work=True, yields=True)
        self._nobody = self.hash("nobody has this password")

    def hash(self, password: str) -> str:
        """Return the Argon2id hash of a password in its canonical form (`password_form`)."""
        return self._hasher.hash(password)

    async def hash_new(self, password: str, network: str) -> str:
        """Return the hash of a new password in its canonical form. It waits in the same queue as the checks. Raises
        Unavailable."""
        return await self._pool.run(self.hash, password, sender=network)

    async def match(
        self,
        password_hash: str | None,
        password: str | None,
        network: str,
        *,
        is_known: bool = False,
        renew: bool = True,
    ) -> PasswordCheck:
        """Check a password. This takes the same time whether or not the user exists, except for a user whose hash was
        imported and who has not signed in since.

        With `renew`, a hash with older parameters is replaced if the password matches. This takes longer, so use it
        only if the login will succeed: otherwise the response time would reveal that a disabled user's password was
        right. Checks from different networks take turns. Networks that are known to the user, of which an attacker has
        few, wait only for each other; on an overloaded server, that shows that they are known. Raises Unavailable if
        the queue is full or the check does not begin in time."""
        hashed = self._nobody if password_hash is None else password_hash
        check = await self._pool.run(self._match, hashed, password or "", renew, sender=network, preferred=is_known)
        return check if password_hash is not None and password is not None else _NO_MATCH

    @property
    def waiting(self) -> int:
        """How many checks wait for a thread."""
        return self._pool.waiting

    def close(self) -> None:
        self._pool.close()

    def _match(self, password_hash: str, password: str, renew: bool) -> PasswordCheck:
        if not self._matches(password_hash, password):
            return _NO_MATCH
        is_stale = not password_hash.startswith(_ARGON2) or self._hasher.check_needs_rehash(password_hash)
        return PasswordCheck(True, self._hasher.hash(password) if renew and is_stale else None)

    def _matches(self, password_hash: str, password: str) -> bool:
        if not password_hash.startswith(_ARGON2):
            return foreign_hashes.matches(password_hash, password)
        try:
            return self._hasher.verify(password_hash, password)
        except (VerificationError, InvalidHashError):
            return False
