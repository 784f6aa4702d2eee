"""How often passwords may be tried, and how long callers wait.

Every attempt is counted before its password is hashed, and given back if the password is right. There are three kinds
of counters: for an account (whether it exists or not), of attempts from networks where its user has not signed in; for
each network where they have; and for each network, over all accounts. So an attacker elsewhere never delays the owner
at home.

A counter is one time: when its last attempt will be forgotten. All times are microseconds.
"""

from dataclasses import dataclass, replace

from .models import SECOND

FREE = 10
"""Failures that cost nothing. After each further one, the wait before the next attempt doubles."""
LONGEST_WAIT = 900 * SECOND
_DAY = 86400 * SECOND
KNOWN_FOR = 90 * _DAY
"""How long a network stays known after its user signed in there."""
MAX_KNOWN = 20
"""Known networks of one user; beyond that, the one not used for longest is forgotten."""
WAIT_KEPT = _DAY
"""How long a network that waits may take to come back."""
_HOUR = 3600 * SECOND
_SHARE = 5
"""This fraction of a period's attempts may come at once; the rest is spread over the period."""


@dataclass(frozen=True, slots=True)
class Budget:
    """A token bucket: at most `capacity` attempts are remembered at once, and one is forgotten every `interval`."""

    capacity: int
    interval: int

    def remembered(self, clears_at: int, now: int) -> int:
        """Return how many attempts are remembered."""
        return -(-(self._in_range(clears_at, now) - now) // self.interval)

    def room_in(self, clears_at: int, now: int) -> int:
        """Return the time until there is room for one more attempt; 0 if there is."""
        return max(0, self._in_range(clears_at, now) - now - (self.capacity - 1) * self.interval)

    def add(self, clears_at: int, now: int) -> int:
        """Return the counter with one more attempt."""
        return self._in_range(clears_at, now) + self.interval

    def give_back(self, clears_at: int, now: int) -> int:
        """Return the counter with one attempt less: 0 if that was the last one, so that a clock that is set back later
        remembers nothing of it."""
        left = clears_at - self.interval
        return left if left > now else 0

    def _in_range(self, clears_at: int, now: int) -> int:
        """A later time than a full bucket's was written by a clock that was ahead."""
        return min(max(clears_at, now), now + self.capacity * self.interval)


def daily(attempts: int) -> Budget | None:
    """Return the budget that allows at most this many attempts in any 24 hours; None, which is no limit, for 0."""
    return _budget(attempts, _DAY)


def hourly(attempts: int) -> Budget | None:
    """Return the budget that allows at most this many attempts in any hour; None, which is no limit, for 0."""
    return _budget(attempts, _HOUR)


def at_once(attempts: int, period: int) -> Budget | None:
    """Return the budget that allows this many attempts in any `period` (microseconds), even all at once; None, which is
    no limit, for 0."""
    return Budget(attempts, -(-period // attempts)) if attempts else None


def _budget(attempts: int, period: int) -> Budget | None:
    if not attempts:
        return None
    capacity = max(1, attempts // _SHARE)
    return Budget(capacity, -(-period // max(1, attempts - capacity)))


@dataclass(frozen=True, slots=True)
class AttemptLimits:
    """The budget of each account, and of each known network of an account; and of each network over all accounts."""

    account: Budget | None
    network: Budget | None


@dataclass(frozen=True, slots=True)
class Counters:
    """What is counted about one caller and one account."""

    network: int = 0
    account: int = 0
    """The account's attempts from unknown networks; from this one alone if it is a known network of the account."""
    waits_since: int = 0
    """Since when this network waits to try this account; 0 if it has not been told to wait."""


@dataclass(frozen=True, slots=True)
class Judgement:
    counters: Counters | None = None
    """As they are afterwards; None, as for most refused attempts, if nothing is to be written."""
    wait: int = 0
    """How long the caller must wait: until it may try, if this attempt is refused; otherwise, if its password is wrong,
    until the next attempt."""
    full: str = ""
    """What refuses the attempt: `account` or `network`; empty if it is allowed."""
    fills_network: bool = False
    """Whether the network must wait, too, if the password is wrong."""


def delay(failures: int) -> int:
    """Return how long a network waits before it may try an account with so many remembered failures."""
    return 0 if failures < FREE else min(SECOND << min(failures - FREE, 20), LONGEST_WAIT)


def judge(counters: Counters, limits: AttemptLimits, now: int) -> Judgement:
    """Decide whether a password may be hashed, and count it. The decision does not depend on the account's existence.

    Whatever is written costs the network an attempt, so that its budget also bounds the rows that it can cause."""
    if limits.network is None:
        return _judge_account(counters, limits.account, now)
    wait = limits.network.room_in(counters.network, now)
    if wait:
        return Judgement(None, wait, "network")
    judged = _judge_account(counters, limits.account, now)
    if judged.full and judged.counters is None:
        return judged
    added = limits.network.add(counters.network, now)
    is_full = limits.network.room_in(added, now) > 0
    return replace(judged, counters=replace(judged.counters or counters, network=added), fills_network=is_full)


def _judge_account(counters: Counters, budget: Budget | None, now: int) -> Judgement:
    if budget is None:
        return Judgement()
    wait = budget.room_in(counters.account, now)
    if wait:
        return Judgement(None, wait, "account")
    failures = budget.remembered(counters.account, now)
    required, waited = delay(failures), _waited(counters, now)
    if max(waited, 0) < required:
        return _told_to_wait(counters, waited, required, now)
    added = budget.add(counters.account, now)
    wait = max(delay(failures + 1), budget.room_in(added, now))
    return Judgement(replace(counters, account=added, waits_since=now if wait else 0), wait)


def _waited(counters: Counters, now: int) -> int:
    """A time that is still to come was written by a clock that was ahead."""
    return now - counters.waits_since if 0 < counters.waits_since <= now else -1


def _told_to_wait(counters: Counters, waited: int, required: int, now: int) -> Judgement:
    """Each network waits separately, from when it was told to, so someone who tries all the time cannot take the turn
    of someone who waits. An attempt in the second half of its wait starts the wait again; one in the first half, as by
    a second click, does not."""
    if 0 <= waited < required // 2:
        return Judgement(None, required - waited, "account")
    return Judgement(replace(counters, waits_since=now), required, "account")
