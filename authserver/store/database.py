"""Batched loads and group commits, in the thread that owns SQLite, or in a few threads for PostgreSQL.

While a batch runs in a database thread, the next requests' loads and changes queue up and become the following batch:
one statement for all loads of a kind, one transaction and one fsync for all changes.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import structlog
from sqlalchemy import Connection

from ..domain.errors import Unavailable
from ..domain.outages import Outages
from .changes import Change
from .connections import Connections
from .deadline import ANSWER, within
from .engine import (
    CONNECTION_ERRORS,
    DATABASE_ERRORS,
    create,
    describe,
    failure,
    has_ended,
    one_moment,
    reading,
)
from .group_commit import NotWritten, Outcome, OutcomeUnknown, commit
from .threads import Threads

__all__ = ["Change", "Connection", "Database", "Loader", "OutcomeUnknown"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
Loader = Callable[[Connection, Sequence[K]], Mapping[K, V]]
"""Loads the values of many keys in one statement; missing keys are left out."""

_INBOX = 10_000
log: Any = structlog.get_logger("authserver")


@dataclass(slots=True, eq=False)
class _Load:
    loader: Loader[Any, Any]
    key: Hashable
    done: "asyncio.Future[Any]"


@dataclass(slots=True, eq=False)
class _Write:
    change: Change
    done: "asyncio.Future[bool]"
    begun: bool = False
    """Whether a group with this change has started, after which it cannot be withdrawn."""
    outcome: Outcome | None = None


class Database:
    def __init__(
        self,
        url: str,
        now: Callable[[], int],
        steady: Callable[[], int] | None = None,
        *,
        prepared_statements: bool = False,
        connections: int = 5,
        deadline: float = ANSWER,
    ) -> None:
        """`url` is SQLAlchemy's. `now` returns microseconds; outages are measured by `steady`, or by `now` without it.
        `connections` is the maximum for PostgreSQL, at least two. `deadline` is in seconds, for one batch. No
        connection is made before it is needed. Raises Misconfigured for a URL that is not valid."""
        self._engine = create(url, prepared_statements=prepared_statements, connections=connections, answer=deadline)
        self._reading = reading(self._engine)
        self._now, self._steady, self._deadline = now, steady or now, deadline
        self._connections = Connections(self._engine)
        has_one_thread = self._engine.dialect.name == "sqlite"
        self._idle = 1 if has_one_thread else connections - 1  # one connection is left for other threads
        self._threads = Threads("database", self._idle)
        self._inbox: list[_Load | _Write] = []
        self.outages = Outages()
        self.group_ended: Callable[[int, int], None] | None = None
        """Called in the event loop after each group of changes, with their number and the microseconds they took."""
        self._writable = True  # reads succeed while a file is busy or a disk is full, which does not end an outage

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """One transaction, for commands, scripts and tests. Raises Unavailable if the database fails, Misconfigured if
        the role lacks a permission, and ChangedMeanwhile after a deadlock, when nothing was written."""
        try:
            with self._engine.begin() as connection:
                yield connection
        except DATABASE_ERRORS as error:
            raise failure(error) from error

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection to read without a transaction, for commands, scripts and tests: a long statement blocks no
        writer. Raises Unavailable if the database fails, and Misconfigured if the role lacks a permission."""
        try:
            with self._reading.connect() as connection:
                yield connection
        except DATABASE_ERRORS as error:
            raise failure(error) from error

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """A connection that reads everything as it is at one moment, while others continue to write; for commands.
        Raises Unavailable if the database fails, and Misconfigured if the role lacks a permission."""
        try:
            with self._engine.connect() as plain, one_moment(plain) as connection:
                yield connection
        except DATABASE_ERRORS as error:
            raise failure(error) from error

    async def load(self, loader: Loader[K, V], key: K) -> V | None:
        """Return what `loader` loads for `key`, in one statement with concurrent requests. Raises Unavailable."""
        load = _Load(loader, key, self._new_future())
        self._inbox.append(load)
        try:
            value: V | None = await load.done
        except asyncio.CancelledError:
            self._withdraw(load)
            raise
        return value

    async def write(self, change: Change) -> bool:
        """Commit `change`. Returns whether its guard held; if so, the change is durable. Raises Unavailable if nothing
        was written, and OutcomeUnknown if that cannot be known.

        A caller that is cancelled withdraws the change, unless its group has already started: then the change stands,
        and this returns as usual, so that the caller can report it. The caller is cancelled at its next `await`."""
        write = _Write(change, self._new_future())
        self._inbox.append(write)
        try:
            held = await write.done
        except asyncio.CancelledError:
            if not write.begun:
                self._withdraw(write)
                raise
            held = await self._outcome(write)
            _cancel_again()
        return held

    def post(self, change: Change) -> None:
        """Commit `change` although nobody waits for it. If that fails, the change is lost, and a line is logged."""
        try:
            done = self._new_future()
        except Unavailable as error:
            _log_lost(error)
            return
        done.add_done_callback(lambda done: None if done.cancelled() else _log_lost(done.exception()))
        self._inbox.append(_Write(change, done))

    @property
    def waiting(self) -> int:
        """How many loads and changes wait in the inbox."""
        return len(self._inbox)

    def close(self) -> None:
        """Close all connections. Threads that hang are abandoned."""
        self._threads.close()
        self._connections.close()
        self._engine.dispose()

    def _withdraw(self, ask: _Load | _Write) -> None:
        with suppress(ValueError):  # a batch was taken from the inbox meanwhile, without it
            self._inbox.remove(ask)

    async def _outcome(self, write: _Write) -> bool:
        """Wait for the outcome again after a cancellation, which may have come just before it."""
        write.done = asyncio.get_running_loop().create_future()
        if write.outcome is not None:
            _settle(write.done, write.outcome)
        return await write.done

    def _new_future(self) -> "asyncio.Future[Any]":
        if len(self._inbox) >= _INBOX:
            raise Unavailable("The database inbox is full.")
        loop = asyncio.get_running_loop()
        if not self._inbox:
            loop.call_soon(self._dispatch, loop)
        return loop.create_future()

    def _dispatch(self, loop: asyncio.AbstractEventLoop) -> None:
        if not self._idle:
            return
        # A request that is cancelled before its group starts is withdrawn; after that, its change is committed.
        asks = [ask for ask in self._inbox if not ask.done.cancelled()]
        self._inbox.clear()
        for ask in asks:
            if isinstance(ask, _Write):
                ask.begun = True
        if asks:
            self._idle -= 1
            self._threads.submit(partial(self._run, asks, loop))

    def _run(self, asks: list[_Load | _Write], loop: asyncio.AbstractEventLoop) -> None:
        """Run a batch in a database thread. Loads go first: the event loop decides and signs while the changes are
        being committed."""
        with suppress(RuntimeError):  # the event loop is closed, so no caller waits
            try:
                with within(self._deadline):
                    self._run_loads([ask for ask in asks if isinstance(ask, _Load)], loop)
                    self._run_writes([ask for ask in asks if isinstance(ask, _Write)], loop)
            except Exception as error:  # a bug: every caller that still waits gets this error
                loop.call_soon_threadsafe(_settle_rest, asks, error)
            finally:
                loop.call_soon_threadsafe(self._finish, loop)

    def _finish(self, loop: asyncio.AbstractEventLoop) -> None:
        self._idle += 1
        self._dispatch(loop)

    def _run_loads(self, loads: list[_Load], loop: asyncio.AbstractEventLoop) -> None:
        kinds: dict[Loader[Any, Any], list[_Load]] = defaultdict(list)
        for load in loads:
            kinds[load.loader].append(load)
        for loader, asks in kinds.items():
            values = self._load_many(loader, list({ask.key for ask in asks}))
            loop.call_soon_threadsafe(_settle_loads, asks, values)

    def _load_many(self, loader: Loader[Any, Any], keys: list[Any]) -> Mapping[Any, Any] | Exception:
        began = self._steady()
        try:
            values = self._load_now(loader, keys)
        except CONNECTION_ERRORS as error:
            self.outages = self.outages.failed(began)
            return Unavailable(describe(error))
        except Exception as error:
            # One caller's key may be a value that the database cannot compare: load each key separately.
            return error if len(keys) == 1 else {key: self._load_alone(loader, key) for key in keys}
        if self._writable:
            self.outages = self.outages.worked(self._steady())
        return values

    def _load_now(self, loader: Loader[K, V], keys: list[K]) -> Mapping[K, V]:
        """Load, and once more on a new connection if the old one was lost: the database may only have restarted."""
        try:
            return self._load_once(loader, keys)
        except CONNECTION_ERRORS as error:
            if not has_ended(error):
                raise
        return self._load_once(loader, keys)

    def _load_once(self, loader: Loader[K, V], keys: list[K]) -> Mapping[K, V]:
        with self._connections.reading() as connection:
            return loader(connection, keys)

    def _load_alone(self, loader: Loader[Any, Any], key: Any) -> Any:
        values = self._load_many(loader, [key])
        return values if isinstance(values, Exception) else values.get(key)

    def _run_writes(self, writes: list[_Write], loop: asyncio.AbstractEventLoop) -> None:
        if not writes:
            return
        began = self._steady()
        outcomes = commit(self._connections, [write.change for write in writes], self._now)
        down = all(isinstance(outcome, NotWritten | OutcomeUnknown) for outcome in outcomes)
        self._writable = not down
        self.outages = self.outages.failed(began) if down else self.outages.worked(self._steady())
        loop.call_soon_threadsafe(self._finish_group, writes, outcomes, self._steady() - began)

    def _finish_group(self, writes: list[_Write], outcomes: list[Outcome], taken: int) -> None:
        if self.group_ended is not None:
            self.group_ended(len(writes), taken)
        for write, outcome in zip(writes, outcomes, strict=True):
            write.outcome = outcome
            _settle(write.done, outcome)


def _cancel_again() -> None:
    """Cancel the current task at its next wait. A cancellation that is not passed on is lost: a background task would
    continue, and the server would never stop."""
    task = asyncio.current_task()
    if task is not None:
        task.cancel()


def _log_lost(error: BaseException | None) -> None:
    if error is not None:
        log.warning("event_lost", reason=str(error))


def _settle_loads(loads: list[_Load], values: Mapping[Any, Any] | Exception) -> None:
    for load in loads:
        if isinstance(values, Exception):
            _settle(load.done, values)
        else:
            _settle(load.done, values.get(load.key))


def _settle_rest(asks: list[_Load | _Write], error: Exception) -> None:
    for ask in asks:
        if isinstance(ask, _Write) and ask.outcome is None:
            ask.outcome = error
        _settle(ask.done, error)


def _settle(done: "asyncio.Future[Any]", outcome: Any) -> None:
    if done.done():
        return
    if isinstance(outcome, Exception):
        done.set_exception(outcome)
    else:
        done.set_result(outcome)
