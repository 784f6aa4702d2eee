"""The issuer's keys as the guard holds them: handed in, or fetched and kept fresh behind its back.

A verification never waits for the network while its key is known and was confirmed within the last minute.
"""

import logging
from collections.abc import Callable, Mapping
from copy import deepcopy
from math import inf
from threading import Event, Lock, Thread
from typing import Protocol

from authserver.resource.errors import KeysUnavailable
from authserver.resource.jwks import Key, read_key_set
from authserver.resource.source import Loaded, SourceError

REVALIDATE = 50  # seconds at most between two looks while tokens arrive: with PATIENCE, a revoked key is gone within 60
SHORTEST = 5  # seconds at least, whatever the issuer's max-age
RETRY = 5  # seconds after a failure
KEEP = 86400  # seconds for which the last good keys serve while the issuer is down
UNKNOWN = 30  # seconds between two fetches for unknown kids, however many arrive
IDLE = 60  # seconds without a look after which one verification waits for it
PATIENCE = 3.0  # seconds that a verification waits for the network when it has no key
IDLE_PATIENCE = 1.0  # and when it has one that was not confirmed for IDLE seconds
LOST = 30  # seconds after which a flight that never landed is given up (its thread died with a fork)

log = logging.getLogger("authserver.resource")


class WouldWait(Exception):
    """An asynchronous caller must go on in a thread: the network is needed."""


class Keys(Protocol):
    """What verification needs of keys."""

    def find(self, kid: str, now: float, wait: bool) -> Key | None:
        """The key named `kid`, or None. Raises KeysUnavailable, and WouldWait if it had to wait and may not."""


class GivenKeys:
    """The key set that `provide` returns, asked at every verification; for the issuer's own process and for tests."""

    def __init__(self, provide: Callable[[], Mapping[str, object]], algorithms: frozenset[str]) -> None:
        self._provide, self._algorithms = provide, algorithms
        self._read: tuple[object, dict[str, Key]] = (None, {})

    def find(self, kid: str, now: float, wait: bool) -> Key | None:
        try:
            return self._current().get(kid)
        except Exception as error:
            raise KeysUnavailable("the key set that was handed in could not be read") from error

    def _current(self) -> dict[str, Key]:
        document = self._provide()
        copy, keys = self._read
        if document != copy:
            keys = read_key_set(document, self._algorithms, keys)
            self._read = deepcopy(document), keys
        return keys


class Flight:
    """One fetch under way."""

    def __init__(self, started: float) -> None:
        self.started, self.landed = started, Event()

    def is_flying(self, now: float) -> bool:
        return not self.landed.is_set() and abs(now - self.started) < LOST


def in_background(work: Callable[[], None]) -> None:
    Thread(target=work, name="authserver-jwks", daemon=True).start()


class FetchedKeys:
    """Keys from `load`, one fetch at a time, each in a thread of its own; thread-safe.

    `now` is the clock in seconds; `spawn` runs a fetch elsewhere (or here, in tests).
    """

    def __init__(
        self,
        load: Callable[[tuple[str, str] | None], Loaded],
        algorithms: frozenset[str],
        now: Callable[[], float],
        spawn: Callable[[Callable[[], None]], None] = in_background,
    ) -> None:
        self._load, self._algorithms, self._now, self._spawn = load, algorithms, now, spawn
        self._lock = Lock()
        self._flight: Flight | None = None
        self._keys: dict[str, Key] = {}
        self._validator: tuple[str, str] | None = None
        self._confirmed = -inf  # when the issuer last said that these are its keys
        self._tried, self._due = -inf, -inf  # when it was last asked, and is to be asked next
        self._well = True  # whether it answered then
        self._asked = -inf  # when it was last asked because of an unknown kid

    def find(self, kid: str, now: float, wait: bool) -> Key | None:
        looks = not self._is_fresh(now) and self._revalidate(now, wait)
        if not self._usable(now):
            raise KeysUnavailable("the issuer's keys were never loaded, or not for 24 hours")
        key = self._keys.get(kid)
        if key is None:
            if looks:
                self._asked = now  # the look that this very token caused is the one for its kid
            key = self._ask(kid, now, wait)
        return key

    def _is_fresh(self, now: float) -> bool:
        # Threads read the clock in any order, so a little before is now; long before, and the clock was set back.
        return self._tried - IDLE <= now < self._due

    def _usable(self, now: float) -> bool:
        return bool(self._keys) and now - self._confirmed <= KEEP

    def _revalidate(self, now: float, wait: bool) -> bool:
        """Has the issuer asked; whether on account of this call, or because there was no key to judge it by."""
        if not self._usable(now):
            patience = PATIENCE
        elif self._well and now - self._confirmed > IDLE:
            # Nothing came for a while. Without this the first token would be judged by keys of any age, and a key that
            # was revoked in the meantime would be accepted once more.
            patience = IDLE_PATIENCE
        else:
            patience = 0.0
        if patience and not wait:
            raise WouldWait
        with self._lock:
            flight, mine = self._flight, False
            if flight is None or not (flight.is_flying(now) or self._is_fresh(now)):
                flight, mine = self._take_off(now), True
        flight.landed.wait(patience)
        return mine or patience == PATIENCE

    def _ask(self, kid: str, now: float, wait: bool) -> Key | None:
        """The key `kid` that we have not seen yet, if a fetch finds it."""
        while flight := self._flight_for_unknown(now, wait):
            if not flight.landed.wait(PATIENCE) or kid in self._keys:
                break
        return self._keys.get(kid)

    def _flight_for_unknown(self, now: float, wait: bool) -> Flight | None:
        """A flight that may bring an unknown key: the one under way, else a new one if the last was long enough ago."""
        with self._lock:
            flight = self._flight
            # While the issuer is down, unknown kids must not pile up threads that wait for it.
            under_way = flight is not None and flight.is_flying(now) and self._well
            if not under_way and abs(now - self._asked) < UNKNOWN:
                return None
            if not wait:
                raise WouldWait
            if flight is None or not under_way:
                self._asked = now
                flight = self._take_off(now)
            return flight

    def _take_off(self, now: float) -> Flight:
        """The flight under way, or a new one: never two at a time. Called with the lock held."""
        if self._flight is None or not self._flight.is_flying(now):
            self._flight = flight = Flight(now)
            try:
                self._spawn(lambda: self._fly(flight))
            except RuntimeError as error:  # no more threads, or the interpreter is going down
                self._crash(error)
                flight.landed.set()
        return self._flight

    def _fly(self, flight: Flight) -> None:
        try:
            loaded = self._load(self._validator)
            keys = self._keys
            if loaded.document is not None:
                keys = read_key_set(loaded.document, self._algorithms, self._keys)
            if not keys:
                raise SourceError("the JWKS has no usable key")
            self._land(keys, loaded)
        except Exception as error:  # whatever goes wrong out there, the last good keys serve
            self._crash(error)
        finally:
            flight.landed.set()

    def _land(self, keys: dict[str, Key], loaded: Loaded) -> None:
        now = self._now()
        if not self._well:
            log.info("the issuer's keys are being loaded again")
        age = REVALIDATE if loaded.max_age is None else loaded.max_age
        self._keys, self._validator = keys, loaded.validator
        self._confirmed = self._tried = now
        self._due = now + min(max(age, SHORTEST), REVALIDATE)
        self._well = True

    def _crash(self, error: Exception) -> None:
        now = self._now()
        level = logging.WARNING if self._well else logging.DEBUG  # once for each outage
        log.log(level, "the issuer's keys could not be loaded (%s: %s)", type(error).__name__, error)
        self._tried, self._due = now, now + RETRY
        self._well = False
