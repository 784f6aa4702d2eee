"""Loads and changes what a sign-in with a password concerns: the user, the counters and the known networks.

`count`, `begin`, `begin_session` and `begin_interaction` are applied by one function, so that a transaction locks the
rows of counters once, in order.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import JSON, Connection, FromClause, Row, Select, Text, and_, bindparam, cast, delete, func, select

from ..domain.attempts import KNOWN_FOR, MAX_KNOWN, AttemptLimits, Counters, Judgement, judge
from ..domain.models import Authorization, Interaction, User
from . import attempts, authorizations, interactions, sessions, upsert
from .attempts import AttemptKeys, Counter, Rows
from .authorizations import Begin
from .changes import Change
from .schema import known_networks as known
from .schema import user_claims, users
from .sessions import BeginSession
from .users import claims_of

_WIDTH = len(users.c)


def _by_names(asked: FromClause) -> Select[Any]:
    """Return a statement that does the same work whether or not a user exists: for a name that nobody has, it loads the
    row of the first user. So the time it takes does not reveal which names exist."""
    name, named, first = asked.c.value, users.alias(), users.alias()
    exists = select(named.c.username).where(named.c.username == name).scalar_subquery()
    anybody = select(first.c.username).order_by(first.c.username).limit(1).scalar_subquery()
    is_seen = and_(known.c.user_id == users.c.id, known.c.network.in_(bindparam("networks", expanding=True)))
    return (
        select(*users.c, user_claims.c.claims, name, known.c.network, known.c.seen_at)
        .select_from(asked)
        .join(users, users.c.username == func.coalesce(exists, anybody))
        .join(user_claims, user_claims.c.user_id == users.c.id, isouter=True)
        .join(known, is_seen, isouter=True)
    )


_NAMES: Any = bindparam("names", type_=Text)  # a JSON array
_BY_NAMES = {
    "sqlite": _by_names(func.json_each(_NAMES).table_valued("value")),
    "postgresql": _by_names(func.json_array_elements_text(cast(_NAMES, JSON)).table_valued("value").render_derived()),
}
_FORGOTTEN = (
    select(known.c.network)
    .where(known.c.user_id == bindparam("user"))
    .order_by(known.c.seen_at.desc(), known.c.network)
    .offset(MAX_KNOWN)
    .with_for_update(skip_locked=True)
)
_FORGET = delete(known).where(known.c.user_id == bindparam("user"), known.c.network.in_(_FORGOTTEN))


@dataclass(frozen=True, slots=True)
class SignInKey:
    username: str | None
    """In its canonical form; None if no user can have the name that was sent."""
    network: str
    keys: AttemptKeys


@dataclass(frozen=True, slots=True)
class SignInRecord:
    rows: Rows
    row: Row[Any] | None = None
    """The user's row and claims; None if there is no such user."""
    seen_at: int | None = None
    """When the user last signed in from this network (microseconds); None if never."""

    @property
    def user(self) -> User | None:
        """The user, made only when asked for: an attempt that must wait takes the same time for every name."""
        return None if self.row is None else User(*(*self.row[:_WIDTH], claims_of(self.row.claims)))

    @property
    def subject(self) -> str:
        """The user's id; empty if there is no such user."""
        return "" if self.row is None else self.row.id

    @property
    def username(self) -> str:
        """The name of the user; empty if there is no such user."""
        return "" if self.row is None else self.row.username

    def is_known(self, now: int) -> bool:
        """Whether the user signed in from this network recently."""
        return self.seen_at is not None and now - self.seen_at < KNOWN_FOR


@dataclass(frozen=True, slots=True)
class SignInAttempt:
    """What an attempt is judged by, and where the judgement goes."""

    keys: AttemptKeys
    is_known: bool
    limits: AttemptLimits
    judged: list[Judgement] = field(default_factory=list)

    @property
    def counted_by(self) -> bytes:
        """The key of the row that counts the attempt, in addition to its network's."""
        return self.keys.pair if self.is_known else self.keys.account

    def rows_to_lock(self) -> set[bytes]:
        of_account = {self.keys.pair, self.counted_by} if self.limits.account else set()
        return of_account | ({self.keys.network} if self.limits.network else set())

    def give_back(self, rows: Rows, now: int) -> None:
        """Uncount the attempt, which was right. Someone who knows what was asked for need not wait before the next
        one."""
        keys, limits = self.keys, self.limits
        if limits.network:
            rows[keys.network] = Counter(limits.network.give_back(rows[keys.network].clears_at, now))
        if limits.account:
            rows[self.counted_by] = Counter(self._left(rows[self.counted_by].clears_at, now))
            rows[keys.pair] = Counter(rows[keys.pair].clears_at)

    def _left(self, clears_at: int, now: int) -> int:
        """Return what is left of the counter after a right password."""
        # NIST SP 800-63B-3 s5.2.2: after a success, failures of that user from the same address SHOULD be disregarded.
        # Those of other networks stay: an attacker there would otherwise gain from each sign-in of the owner.
        return 0 if self.is_known or self.limits.account is None else self.limits.account.give_back(clears_at, now)

    def judge(self, rows: Mapping[bytes, Counter], now: int) -> Judgement:
        """Decide whether the attempt is allowed by these rows."""
        network, account, pair = (
            rows.get(key, Counter()) for key in (self.keys.network, self.counted_by, self.keys.pair)
        )
        return judge(Counters(network.clears_at, account.clears_at, pair.waits_since), self.limits, now)


@dataclass(frozen=True, slots=True, eq=False)
class _Count:
    attempt: SignInAttempt

    def apply(self, rows: Rows, now: int) -> None:
        attempt, keys = self.attempt, self.attempt.keys
        judgement = attempt.judge(rows, now)
        attempt.judged[:] = [judgement]  # a group that was rolled back is run again
        counters = judgement.counters
        if counters is None:
            return
        if attempt.limits.network:
            rows[keys.network] = Counter(counters.network)
        if attempt.limits.account:
            rows[attempt.counted_by] = Counter(counters.account)
            rows[keys.pair] = Counter(rows[keys.pair].clears_at, counters.waits_since)


@dataclass(frozen=True, slots=True, eq=False)
class _SignIn:
    begin: Begin | BeginSession
    attempt: SignInAttempt
    network: str
    """The network to remember; empty if it need not be."""

    @property
    def user_id(self) -> str:
        begin = self.begin
        return begin.session.user_id if isinstance(begin, BeginSession) else begin.authorization.subject

    def apply(self, rows: Rows, now: int) -> None:
        self.attempt.give_back(rows, now)


@dataclass(frozen=True, slots=True, eq=False)
class _Begin:
    interaction: Interaction
    attempt: SignInAttempt

    def apply(self, rows: Rows, now: int) -> None:
        self.attempt.give_back(rows, now)


def load_many(connection: Connection, keys: Sequence[SignInKey]) -> Mapping[SignInKey, SignInRecord]:
    names, networks = [key.username or "" for key in keys], [key.network for key in keys]
    asked = {"names": json.dumps(names), "networks": networks}
    loaded = connection.execute(_BY_NAMES[connection.dialect.name], asked).all()
    users = [row for row in loaded if row.username == row.value]
    people = {row.username: row for row in users}
    seen = {(row.username, row.network): row.seen_at for row in users}
    rows = attempts.load(connection, {row for key in keys for row in _all(key.keys)})
    return {
        key: SignInRecord(
            {name: rows[name] for name in _all(key.keys) if name in rows},
            people.get(key.username or ""),
            seen.get((key.username, key.network)),
        )
        for key in keys
    }


def count(attempt: SignInAttempt) -> Change:
    """Count an attempt, before its password is hashed. `attempt.judged` gets the judgement."""
    return Change(_apply_many, "attempts", attempt.keys.account, _Count(attempt))


def begin(
    authorization: Authorization,
    attempt: SignInAttempt,
    *,
    limit: int,
    rehashed: str | None,
    ended: list[bytes],
    network: str,
) -> Change:
    """Begin the authorization of a user who signed in (see `authorizations.begin`), give the attempt back, and remember
    `network` as the user's, unless it is empty."""
    begin = Begin(authorization, limit, rehashed, ended)
    return Change(_apply_many, "attempts", attempt.keys.account, _SignIn(begin, attempt, network))


def begin_session(begin: BeginSession, attempt: SignInAttempt, *, network: str) -> Change:
    """Begin or renew the session of a user who signed in, and otherwise do as `begin`."""
    return Change(_apply_many, "attempts", attempt.keys.account, _SignIn(begin, attempt, network))


def begin_interaction(interaction: Interaction, attempt: SignInAttempt) -> Change:
    """Begin the interaction of somebody who typed the right code, and give the attempt back."""
    return Change(_apply_many, "attempts", attempt.keys.account, _Begin(interaction, attempt))


def _all(keys: AttemptKeys) -> tuple[bytes, ...]:
    return keys.account, keys.pair, keys.network


def _apply_many(connection: Connection, changes: Sequence[_Count | _SignIn | _Begin], now: int) -> list[bool]:
    _count_many(connection, changes, now)
    signed_in = sorted((change for change in changes if isinstance(change, _SignIn)), key=lambda change: change.user_id)
    logins = [change.begin for change in signed_in if isinstance(change.begin, Begin)]
    in_browsers = [change.begin for change in signed_in if isinstance(change.begin, BeginSession)]
    interactions.begin_many(connection, [change.interaction for change in changes if isinstance(change, _Begin)], now)
    sessions.begin_many(connection, in_browsers, now)
    if logins:
        authorizations.begin_many(connection, logins, now)
    _remember(connection, {(change.user_id, change.network) for change in signed_in}, now)
    return [True] * len(changes)


def _count_many(connection: Connection, changes: Sequence[_Count | _SignIn | _Begin], now: int) -> None:
    keys = {key for change in changes for key in change.attempt.rows_to_lock()}
    if not keys:
        return
    before = attempts.lock(connection, keys, now)
    after = dict(before)
    for change in changes:
        change.apply(after, now)
    attempts.write(connection, {key: row for key, row in after.items() if row != before[key]})


def _remember(connection: Connection, networks: set[tuple[str, str]], now: int) -> None:
    new: Any = upsert.insert(connection, known)
    write = new.on_conflict_do_update(index_elements=[known.c.user_id, known.c.network], set_={"seen_at": now})
    pairs = sorted((user, network) for user, network in networks if network)
    if pairs:
        connection.execute(write, [{"user_id": user, "network": network, "seen_at": now} for user, network in pairs])
        connection.execute(_FORGET, [{"user": user} for user in dict(pairs)])
