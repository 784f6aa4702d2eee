"""The keys of a restored database: the backup's and the replaced database's, sealed under this server's own key.

First a plan, which only reads, so that a restore that is refused makes no key; then it is written.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from functools import partial
from types import TracebackType

from ..domain import key_transitions
from ..domain.algorithms import DEFAULT
from ..domain.errors import Misconfigured, Refused
from ..domain.key_schedule import KeyPolicy, Keys, in_state
from ..domain.models import RefreshTokenKey, SigningKey
from ..domain.restored_keys import is_fresh, restored, unpublished
from ..store import refresh_token_keys, restoring, signing_keys
from ..store.database import Connection
from ..store.signing_keys import KeyState
from .backup import Opened, opened_by, resealed
from .envelope import KeyEncryptionKeys, is_wrapped
from .key_store import KeyStore
from .lifecycle import bootstrap, refresh_keys
from .signer import KeyService

Ring = tuple[RefreshTokenKey, ...]
_UNKNOWN = (
    "Neither the backup nor the database here has a key {}. To see them: --dry-run --json. A key that was made after "
    "the backup is not in it, and needs no --revoked."
)
_ELSEWHERE = "Keys that sign are kept outside of the database; if they are lost, restore with --emergency. {}"


class Stranger(Refused):
    """The database that would be replaced shares no signing key with the backup."""


class NewKeys(KeyStore):
    """As a context, it destroys what was made in it if it fails. An interrupt may come after the database has the keys:
    then they stay."""

    def __init__(self, keks: KeyEncryptionKeys, service: KeyService | None = None) -> None:
        super().__init__(keks, service)
        self._made: list[SigningKey] = []

    def generate(self, alg: str, *, now: int, max_token_ttl: int) -> SigningKey:
        self._made.append(super().generate(alg, now=now, max_token_ttl=max_token_ttl))
        return self._made[-1]

    def __enter__(self) -> "NewKeys":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if isinstance(error, Exception):
            self.destroy(key.wrapped for key in self._made)


@dataclass(frozen=True, slots=True)
class Tools:
    keys: KeyStore
    """Where private keys are, with what seals here."""
    policy: KeyPolicy
    max_token_ttl: int
    """Seconds: the longest lifetime of a token by the settings."""
    now: int
    new_key: Callable[[], bytes]


@dataclass(frozen=True, slots=True)
class Plan:
    """What becomes of the keys that are there."""

    keys: Keys
    refresh_keys: Ring
    published_by: Keys
    """What was in the last JWKS, as far as it is known."""
    unpublished: Keys
    """Those that would sign, and that verifiers may not have."""
    needs_new: bool
    """Whether none of them can sign, so that a new one has to, which no verifier has."""

    @property
    def is_emergency(self) -> bool:
        return bool(self.unpublished) or self.needs_new


def plan(
    connection: Connection,
    opened: Opened,
    replaced: KeyState | None,
    revoked: Collection[str],
    tools: Tools,
    *,
    emergency: bool,
) -> Plan:
    """Raises Refused; Unavailable for a key service that cannot be reached; and Misconfigured, unless `emergency`, for
    one that the settings do not name."""
    backup, others = signing_keys.load(connection), replaced or KeyState((), ())
    _check(backup.signing_keys, others.signing_keys, revoked)
    if not emergency:
        _check_places(backup.signing_keys, others.signing_keys, revoked, tools.keys)
    private = _private(backup.signing_keys, others.signing_keys, opened, tools.keys)
    keys = restored(backup.signing_keys, others.signing_keys, private, revoked, backup.algorithms, tools.now)
    fresh = backup.signing_keys if is_fresh(opened.made_at, tools.policy, tools.now) else ()
    published_by = fresh if replaced is None else others.signing_keys
    needs_new = in_state(keys, DEFAULT, "active") is None
    ring = _ring(backup.refresh_keys, replaced, opened, tools)
    return Plan(keys, ring, published_by, unpublished(keys, published_by, tools.policy, tools.now), needs_new)


def write(connection: Connection, plan: Plan, tools: Tools) -> Keys:
    """Write the keys, and make those that are missing. Returns the active ones that verifiers may not have."""
    now, ttl = tools.now, tools.max_token_ttl
    restoring.put_keys(connection, plan.keys, plan.refresh_keys)
    refresh_token_keys.end_logins(connection, now)
    bootstrap.create_missing(connection, tools.keys, now=now, max_token_ttl=ttl, new_key=tools.new_key)
    state = signing_keys.load(connection)
    make = partial(tools.keys.generate, now=now, max_token_ttl=ttl)
    for key in key_transitions.for_algorithms(state.signing_keys, state.algorithms, now, make):
        signing_keys.add(connection, key)  # all are new: in the plan nothing signs that nobody uses
    signing_keys.raise_max_token_ttl(connection, ttl, now)
    return unpublished(signing_keys.load(connection).signing_keys, plan.published_by, tools.policy, now)


def _check(backup: Keys, replaced: Keys, revoked: Collection[str]) -> None:
    theirs, ours = ({key.kid for key in keys} for keys in (backup, replaced))
    if ours and not theirs & ours:
        raise Stranger(
            "The database that would be replaced shares no signing key with the backup: it is another server's, or "
            "new, and nothing of it can be kept."
        )
    for kid in revoked:
        if kid not in theirs | ours:
            raise Refused(_UNKNOWN.format(kid))


def _check_places(backup: Keys, replaced: Keys, revoked: Collection[str], private: KeyStore) -> None:
    """Raises Misconfigured for a key that is kept where the settings do not say how to get."""
    known = {key.kid: key for key in (*backup, *replaced) if key.kid not in revoked}
    for key in known.values():
        if key.wrapped and not is_wrapped(key.wrapped):
            try:
                private.open(key)
            except Misconfigured as error:
                raise Misconfigured(_ELSEWHERE.format(error)) from error


def _private(backup: Keys, replaced: Keys, opened: Opened, private: KeyStore) -> dict[str, str]:
    """What can be used of the private parts, by kid, sealed anew."""
    keks, elsewhere = private.keks, set(private.present().values())
    theirs, ours = ({key.kid: key.wrapped for key in keys if key.wrapped} for keys in (backup, replaced))
    usable = opened_by(theirs, opened.keks, elsewhere), opened_by(ours, keks, elsewhere)
    return resealed(usable[0], opened.keks, keks) | resealed(usable[1], keks, keks)


def _ring(backup: Ring, replaced: KeyState | None, opened: Opened, tools: Tools) -> Ring:
    """The backup's, for they make the refresh tokens of its logins, and those that new logins use in the database that
    is replaced. What that one revoked is revoked; what it has no more was revoked or replaced there, and must not make
    tokens again."""
    keks, now = tools.keys.keks, tools.now
    ours = {key.id: key for key in replaced.refresh_keys} if replaced else {}
    sealed = resealed({key.id: key.wrapped for key in backup}, opened.keks, keks)
    gone = {key.id: ours[key.id].revoked_at if key.id in ours else now for key in backup} if replaced else {}
    theirs = [replace(key, wrapped=sealed[key.id], revoked_at=key.revoked_at or gone.get(key.id)) for key in backup]
    own = {id: key.wrapped for id, key in ours.items() if id not in sealed and key.revoked_at is None}
    kept = resealed(opened_by(own, keks), keks, keks)
    ring = (*theirs, *(replace(ours[id], wrapped=kept[id]) for id in kept))
    if any(key.revoked_at is None for key in ring):
        return ring
    return (*ring, refresh_keys.new_refresh_key(keks, tools.new_key(), now=now, active_at=now))
