"""The issuer's keys in a guard: given by the program, or fetched and kept fresh in the background.

A verification never waits for the network while its key is known and was confirmed within the last minute.
"""

import logging
import os
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace
from math import inf
from threading import Event, Lock, Thread
from typing import Protocol
from weakref import WeakSet

from .errors import KeysUnavailable
from .jwks import Key, read_key_set
from .source import LoadedKeySet, SourceError

# maximum seconds between two fetches while tokens arrive: with TIMEOUT, a revoked key is gone within 60
REVALIDATE = 50
SHORTEST = 5  # minimum seconds between two fetches, whatever the issuer's max-age
RETRY = 5  # seconds after a failure
KEEP = 86400  # seconds for which the last usable keys are used while the issuer is down
UNKNOWN = 30  # seconds between two fetches for unknown kids, however many arrive
IDLE = 60  # seconds without a fetch after which one verification waits for it
TIMEOUT = 3.0  # seconds that a verification waits for the network if it has no key
IDLE_TIMEOUT = 1.0  # seconds that it waits if its key was not confirmed for IDLE seconds
GIVEN_UP = 30  # seconds after which a fetch that does not end (slow DNS, a transport without a timeout) is abandoned

log = logging.getLogger("authserver.resource")


class WouldWait(Exception):
    """An asynchronous caller must continue in a thread: the network is needed."""


class Keys(Protocol):
    """The interface of an issuer's keys."""

    def find(self, kid: str, wait: bool) -> Key | None:
        """Return the key named `kid`, or None. Raises KeysUnavailable, and WouldWait if it needs to wait but `wait` is
        False."""


class GivenKeys:
    """The key set that `provide` returns. It is called at every verification; meant for the issuer's own process and
    for tests."""

    def __init__(self, provide: Callable[[], Mapping[str, object]], algorithms: frozenset[str]) -> None:
        self._provide, self._algorithms = provide, algorithms
        self._read: tuple[object, dict[str, Key]] = (None, {})

    def find(self, kid: str, wait: bool) -> Key | None:
        try:
            return self._current().get(kid)
        except Exception as error:
            raise KeysUnavailable("the given key set could not be read") from error

    def _current(self) -> dict[str, Key]:
        document = self._provide()
        copy, keys = self._read
        if document != copy:
            keys = read_key_set(document, self._algorithms, keys)
            self._read = deepcopy(document), keys
        return keys


class Fetch:
    """One fetch of the keys; `ended` is set when it succeeded or failed."""

    def __init__(self, started: float) -> None:
        self.started, self.ended = started, Event()

    def is_running(self, now: float) -> bool:
        return not self.ended.is_set() and abs(now - self.started) < GIVEN_UP


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The result of the fetches so far. It is replaced as a whole, so no other thread or forked child ever sees a
    partial change."""

    keys: dict[str, Key] = field(default_factory=dict)
    validator: tuple[str, str] | None = None
    confirmed: float = -inf  # when the issuer last confirmed these keys
    tried: float = -inf  # when the last fetch ended
    due: float = -inf  # when the next fetch is due
    healthy: bool = True  # whether the last fetch succeeded

    def is_fresh(self, now: float) -> bool:
        # Threads read the clock in any order, so `now` may be slightly before `tried`; if it is long before, the clock
        # was set back.
        return self.tried - IDLE <= now < self.due

    def is_usable(self, now: float) -> bool:
        return bool(self.keys) and now - self.confirmed <= KEEP

    def timeout(self, now: float) -> float:
        """Return the seconds that a verification waits for the fetch that is due."""
        if not self.is_usable(now):
            return TIMEOUT
        # No token came for a while. Without this, the first token would be verified with keys of any age, and a key
        # that was revoked in the meantime would be accepted once more.
        return IDLE_TIMEOUT if self.healthy and now - self.confirmed > IDLE else 0.0


def in_background(work: Callable[[], None]) -> None:
    Thread(target=work, name="authserver-jwks", daemon=True).start()


class FetchedKeys:
    """Keys from `load`, one fetch at a time, each in its own thread. Safe with threads and forks.

    `now` is a clock in seconds, preferably one that cannot be set. `spawn` runs a fetch in another thread, or in this
    one in tests.
    """

    def __init__(
        self,
        load: Callable[[tuple[str, str] | None], LoadedKeySet],
        algorithms: frozenset[str],
        now: Callable[[], float],
        spawn: Callable[[Callable[[], None]], None] = in_background,
    ) -> None:
        self._load, self._algorithms, self._now, self._spawn = load, algorithms, now, spawn
        self._snapshot = Snapshot()
        self.after_fork()
        _OF_THIS_PROCESS.add(self)

    def after_fork(self) -> None:
        """Replace the lock and forget the fetch: only the thread that forked survives in the child, so locks that
        others hold stay locked, and fetches never end."""
        self._lock = Lock()
        self._fetch: Fetch | None = None
        self._asked = -inf  # when the issuer was last asked because of an unknown kid

    def find(self, kid: str, wait: bool) -> Key | None:
        now = self._now()
        snapshot, revalidated = self._snapshot, False
        if not snapshot.is_fresh(now):
            revalidated = self._revalidate(now, wait)
            snapshot = self._snapshot
        if not snapshot.is_usable(now):
            raise KeysUnavailable("the issuer's keys were never loaded, or not for 24 hours")
        key = snapshot.keys.get(kid)
        if key is None:
            if revalidated:
                self._asked = now  # this token has already caused a fetch, which counts as the one for its kid
            key = self._ask(kid, now, wait)
        return key

    def _revalidate(self, now: float, wait: bool) -> bool:
        """Start a fetch if none runs. Returns whether this call started it or waited for the first keys."""
        timeout = self._snapshot.timeout(now)
        if timeout and not wait:
            raise WouldWait
        with self._lock:
            fetch, mine = self._fetch, False
            if fetch is None or not (fetch.is_running(now) or self._snapshot.is_fresh(now)):
                fetch, mine = self._start(now), True
        fetch.ended.wait(timeout)
        return mine or timeout == TIMEOUT

    def _ask(self, kid: str, now: float, wait: bool) -> Key | None:
        """Return the unknown key `kid`, if a fetch finds it."""
        while fetch := self._fetch_for_unknown(now, wait):
            if not fetch.ended.wait(TIMEOUT) or kid in self._snapshot.keys:
                break
        return self._snapshot.keys.get(kid)

    def _fetch_for_unknown(self, now: float, wait: bool) -> Fetch | None:
        """Return a fetch that may find an unknown key: the running one, or a new one if the last was long enough
        ago."""
        with self._lock:
            fetch = self._fetch
            # While the issuer is down, unknown kids must not pile up threads that wait for it.
            is_hopeful = fetch is not None and fetch.is_running(now) and self._snapshot.healthy
            if not is_hopeful and abs(now - self._asked) < UNKNOWN:
                return None
            if not wait:
                raise WouldWait
            if fetch is None or not is_hopeful:
                self._asked = now
                fetch = self._start(now)
            return fetch

    def _start(self, now: float) -> Fetch:
        """Return the running fetch, or start one: there are never two at a time. The caller holds the lock."""
        if self._fetch is None or not self._fetch.is_running(now):
            self._fetch = fetch = Fetch(now)
            try:
                self._spawn(lambda: self._run(fetch))
            except RuntimeError as error:  # no more threads, or the interpreter is shutting down
                self._failed(error)
                fetch.ended.set()
        return self._fetch

    def _run(self, fetch: Fetch) -> None:
        try:
            before = self._snapshot
            loaded, keys = self._load(before.validator), before.keys
            if loaded.document is not None:
                keys = read_key_set(loaded.document, self._algorithms, keys)
            if not keys:
                raise SourceError("the JWKS has no usable key")
            self._succeeded(keys, loaded)
        except Exception as error:  # whatever went wrong, the last usable keys stay in use
            self._failed(error)
        finally:
            fetch.ended.set()

    def _succeeded(self, keys: dict[str, Key], loaded: LoadedKeySet) -> None:
        now = self._now()
        if not self._snapshot.healthy:
            log.info("the issuer's keys are being loaded again")
        age = REVALIDATE if loaded.max_age is None else loaded.max_age
        due = now + min(max(age, SHORTEST), REVALIDATE)
        self._snapshot = Snapshot(keys, loaded.validator, confirmed=now, tried=now, due=due)

    def _failed(self, error: Exception) -> None:
        now = self._now()
        level = logging.WARNING if self._snapshot.healthy else logging.DEBUG  # once for each outage
        log.log(level, "the issuer's keys could not be loaded (%s: %s)", type(error).__name__, error)
        self._snapshot = replace(self._snapshot, tried=now, due=now + RETRY, healthy=False)


_OF_THIS_PROCESS: WeakSet[FetchedKeys] = WeakSet()


def _after_fork() -> None:
    for keys in list(_OF_THIS_PROCESS):
        keys.after_fork()


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(after_in_child=_after_fork)
