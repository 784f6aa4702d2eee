"""The issuer's keys as the guard holds them: given, or fetched and kept fresh in the background.

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

# seconds at most between two fetches while tokens arrive: with TIMEOUT, a revoked key is gone within 60
REVALIDATE = 50
SHORTEST = 5  # seconds at least, whatever the issuer's max-age
RETRY = 5  # seconds after a failure
KEEP = 86400  # seconds for which the last usable keys are used while the issuer is down
UNKNOWN = 30  # seconds between two fetches for unknown kids, however many arrive
IDLE = 60  # seconds without a fetch after which one verification waits for it
TIMEOUT = 3.0  # seconds that a verification waits for the network when it has no key
IDLE_TIMEOUT = 1.0  # and when it has one that was not confirmed for IDLE seconds
GIVEN_UP = 30  # seconds after which a fetch that does not end (a slow DNS, a transport without a timeout) is forgotten

log = logging.getLogger("authserver.resource")


class WouldWait(Exception):
    """An asynchronous caller must continue in a thread: the network is needed."""


class Keys(Protocol):
    """What verification needs of keys."""

    def find(self, kid: str, wait: bool) -> Key | None:
        """The key named `kid`, or None. Raises KeysUnavailable, and WouldWait if it had to wait and may not."""


class GivenKeys:
    """The key set that `provide` returns, asked at every verification; for the issuer's own process and for tests."""

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
    """The result of the fetches so far. It is replaced as a whole, so no other thread or forked child ever sees half of
    a change."""

    keys: dict[str, Key] = field(default_factory=dict)
    validator: tuple[str, str] | None = None
    confirmed: float = -inf  # when the issuer last said that these are its keys
    tried: float = -inf  # when it was last asked
    due: float = -inf  # when it is to be asked next
    healthy: bool = True  # whether it answered

    def is_fresh(self, now: float) -> bool:
        # Threads read the clock in any order, so a little before is now; long before, and it was set back.
        return self.tried - IDLE <= now < self.due

    def is_usable(self, now: float) -> bool:
        return bool(self.keys) and now - self.confirmed <= KEEP

    def timeout(self, now: float) -> float:
        """Seconds that a verification waits for the fetch that is due."""
        if not self.is_usable(now):
            return TIMEOUT
        # Nothing came for a while. Without this the first token would be judged by keys of any age, and a key that was
        # revoked in the meantime would be accepted once more.
        return IDLE_TIMEOUT if self.healthy and now - self.confirmed > IDLE else 0.0


def in_background(work: Callable[[], None]) -> None:
    Thread(target=work, name="authserver-jwks", daemon=True).start()


class FetchedKeys:
    """Keys from `load`, one fetch at a time, each in its own thread; safe under threads and across forks.

    `now` is a clock in seconds, best one that cannot be set; `spawn` runs a fetch elsewhere (or here, in tests).
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
        """Only the thread that forked survives in the child: locks held by others stay locked, fetches never end."""
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
                self._asked = now  # the fetch that this very token caused is the one for its kid
            key = self._ask(kid, now, wait)
        return key

    def _revalidate(self, now: float, wait: bool) -> bool:
        """Have the issuer asked. Returns whether this call caused the fetch or waited for the first keys."""
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
        """The key `kid` that is not known yet, if a fetch finds it."""
        while fetch := self._fetch_for_unknown(now, wait):
            if not fetch.ended.wait(TIMEOUT) or kid in self._snapshot.keys:
                break
        return self._snapshot.keys.get(kid)

    def _fetch_for_unknown(self, now: float, wait: bool) -> Fetch | None:
        """A fetch that may bring an unknown key: the one that runs, else a new one if the last was long enough ago."""
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
        """The fetch that runs, or a new one: never two at a time. Called with the lock held."""
        if self._fetch is None or not self._fetch.is_running(now):
            self._fetch = fetch = Fetch(now)
            try:
                self._spawn(lambda: self._run(fetch))
            except RuntimeError as error:  # no more threads, or the interpreter is going down
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
        except Exception as error:  # whatever went wrong, the last usable keys are still used
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
