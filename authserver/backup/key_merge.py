"""Plans and writes the keys of a restored database: those of the backup and of the replaced database, wrapped under
this server's key-encryption key.

`plan_keys` only reads, so that a refused restore generates no key. `write_keys` writes the plan.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from functools import partial
from types import TracebackType

from ..domain import key_transitions
from ..domain.algorithms import DEFAULT
from ..domain.errors import Misconfigured, Refused
from ..domain.key_schedule import KeyPolicy, Keys, in_state
from ..domain.models import RefreshTokenKey, SigningKey, SubjectKey
from ..keyring.envelope import KeyEncryptionKeys, is_wrapped
from ..keyring.key_store import KeyStore
from ..keyring.lifecycle import bootstrap, refresh_keys
from ..keyring.signer import KeyService
from ..store import refresh_token_keys, signing_keys, subject_keys
from ..store.database import Connection
from ..store.signing_keys import KeyState
from . import merge
from .archive import OpenedBackup, rewrap, usable
from .restored_keys import is_fresh, restored, unpublished

RefreshTokenKeys = tuple[RefreshTokenKey, ...]
_UNKNOWN = (
    "Neither the backup nor the current database has a key {}. To list the keys: --dry-run --json. A key that was made "
    "after the backup is not in it, and needs no --revoked."
)
_ELSEWHERE = "Signing keys are stored outside the database. If they are lost, restore with --emergency. {}"


class UnrelatedDatabase(Refused):
    """The database that would be replaced shares no signing key with the backup."""


class NewKeys(KeyStore):
    """A context that destroys the keys generated in it if it fails. After an interrupt they stay, because the database
    may contain them."""

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
class RestoreContext:
    keys: KeyStore
    """Where this server's private keys are stored."""
    policy: KeyPolicy
    max_token_ttl: int
    """The longest lifetime of a token under the settings, in seconds."""
    now: int
    new_key: Callable[[], bytes]


@dataclass(frozen=True, slots=True)
class KeyPlan:
    """The keys that the restored database will have."""

    keys: Keys
    refresh_keys: RefreshTokenKeys
    published_by: Keys
    """The keys of the last JWKS, as far as they are known."""
    unpublished: Keys
    """Keys that would sign although verifiers may not have them."""
    subject_key: SubjectKey | None
    needs_new: bool
    """Whether none of the keys can sign, so that a new one must, which no verifier has."""

    @property
    def is_emergency(self) -> bool:
        return bool(self.unpublished) or self.needs_new


def plan_keys(
    connection: Connection,
    opened: OpenedBackup,
    replaced: KeyState | None,
    revoked: Collection[str],
    context: RestoreContext,
    *,
    emergency: bool,
) -> KeyPlan:
    """Plan the keys, without writing. Raises Refused, Unavailable if a key service cannot be reached, and, unless
    `emergency`, Misconfigured for a key service that the settings do not name."""
    backup, others = signing_keys.load(connection), replaced or KeyState((), ())
    _check(backup.signing_keys, others.signing_keys, revoked)
    if not emergency:
        _check_places(backup.signing_keys, others.signing_keys, revoked, context.keys)
    private = _private(backup.signing_keys, others.signing_keys, opened, context.keys)
    keys = restored(backup.signing_keys, others.signing_keys, private, revoked, backup.algorithms, context.now)
    fresh = backup.signing_keys if is_fresh(opened.made_at, context.policy, context.now) else ()
    published_by = fresh if replaced is None else others.signing_keys
    needs_new = in_state(keys, DEFAULT, "active") is None
    refresh = _refresh_keys(backup.refresh_keys, replaced, opened, context)
    subject_key = _subject_key(backup.subject_key, others.subject_key, opened, context.keys.keks)
    new = unpublished(keys, published_by, context.policy, context.now)
    return KeyPlan(keys, refresh, published_by, new, subject_key, needs_new)


def write_keys(connection: Connection, plan: KeyPlan, context: RestoreContext) -> Keys:
    """Write the keys and generate missing ones. Returns the active keys that verifiers may not have."""
    now, ttl = context.now, context.max_token_ttl
    merge.put_keys(connection, plan.keys, plan.refresh_keys)
    subject_keys.put(connection, plan.subject_key)
    refresh_token_keys.end_authorizations(connection, now)
    bootstrap.create_missing(connection, context.keys, now=now, max_token_ttl=ttl, new_key=context.new_key)
    state = signing_keys.load(connection)
    make = partial(context.keys.generate, now=now, max_token_ttl=ttl)
    for key in key_transitions.for_algorithms(state.signing_keys, state.algorithms, now, make):
        signing_keys.add(connection, key)  # all are new: the plan has no active key for an unused algorithm
    signing_keys.raise_max_token_ttl(connection, ttl, now)
    return unpublished(signing_keys.load(connection).signing_keys, plan.published_by, context.policy, now)


def _check(backup: Keys, replaced: Keys, revoked: Collection[str]) -> None:
    old, new = ({key.kid for key in keys} for keys in (backup, replaced))
    if new and not old & new:
        raise UnrelatedDatabase(
            "The database that would be replaced shares no signing key with the backup: it belongs to another server, "
            "or is new, and none of its data can be kept."
        )
    for kid in revoked:
        if kid not in old | new:
            raise Refused(_UNKNOWN.format(kid))


def _check_places(backup: Keys, replaced: Keys, revoked: Collection[str], private: KeyStore) -> None:
    """Raise Misconfigured for a key in a key service that the settings do not name."""
    keys = {key.kid: key for key in (*backup, *replaced) if key.kid not in revoked}
    for key in keys.values():
        if key.wrapped and not is_wrapped(key.wrapped):
            try:
                private.open(key)
            except Misconfigured as error:
                raise Misconfigured(_ELSEWHERE.format(error)) from error


def _private(backup: Keys, replaced: Keys, opened: OpenedBackup, private: KeyStore) -> dict[str, str]:
    """Return the usable private keys by kid, wrapped under this server's key-encryption key."""
    keks, elsewhere = private.keks, set(private.present().values())
    old, new = ({key.kid: key.wrapped for key in keys if key.wrapped} for keys in (backup, replaced))
    old, new = usable(old, opened.keks, elsewhere), usable(new, keks, elsewhere)
    return rewrap(old, opened.keks, keks) | rewrap(new, keks, keks)


def _refresh_keys(
    backup: RefreshTokenKeys, replaced: KeyState | None, opened: OpenedBackup, context: RestoreContext
) -> RefreshTokenKeys:
    """Return the backup's refresh-token keys, which made its refresh tokens, and those of the replaced database that
    make new ones.

    A key that is revoked in the replaced database stays revoked. A key that is missing there was revoked or replaced,
    and must not make tokens again.
    """
    keks, now = context.keys.keks, context.now
    newer = {key.id: key for key in replaced.refresh_keys} if replaced else {}
    wrapped = rewrap({key.id: key.wrapped for key in backup}, opened.keks, keks)
    gone = {key.id: newer[key.id].revoked_at if key.id in newer else now for key in backup} if replaced else {}
    old = [replace(key, wrapped=wrapped[key.id], revoked_at=key.revoked_at or gone.get(key.id)) for key in backup]
    only_newer = {id: key.wrapped for id, key in newer.items() if id not in wrapped and key.revoked_at is None}
    added = rewrap(usable(only_newer, keks), keks, keks)
    keys = (*old, *(replace(newer[id], wrapped=added[id]) for id in added))
    if any(key.revoked_at is None for key in keys):
        return keys
    return (*keys, refresh_keys.new_refresh_key(keks, context.new_key(), now=now, active_at=now))


def _subject_key(
    backup: SubjectKey | None, replaced: SubjectKey | None, opened: OpenedBackup, keks: KeyEncryptionKeys
) -> SubjectKey | None:
    """Return the key by which clients know their users: the backup's, or, if it is older than the key, that of the
    replaced database."""
    if backup is not None:
        return replace(backup, wrapped=keks.wrap(backup.id, opened.keks.unwrap(backup.id, backup.wrapped)))
    if replaced is None or not usable({replaced.id: replaced.wrapped}, keks):
        return None
    return replace(replaced, wrapped=keks.wrap(replaced.id, keks.unwrap(replaced.id, replaced.wrapped)))
