"""What callers can reach of an account's passwords in a day, however they go about it, and how long anyone waits."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authserver.domain.attempts import FREE, LONGEST_WAIT, AttemptLimits, Counters, Judgement, daily, delay, judge
from tests.harness.constants import SECOND

NOW = 1_800_000_000 * SECOND
DAY = 86400 * SECOND
LIMITS = AttemptLimits(daily(200), daily(3000))
ACCOUNT, NETWORK = replace(LIMITS, network=None), replace(LIMITS, account=None)


def test_the_first_failures_cost_nothing_then_the_wait_doubles_up_to_15_minutes() -> None:
    assert [delay(failures) for failures in range(FREE)] == [0] * FREE
    waits = [delay(failures) // SECOND for failures in range(FREE, FREE + 12)]
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]
    assert delay(10**9) == LONGEST_WAIT


@given(st.integers(1, 100_000))
def test_a_budget_allows_no_more_in_any_24_hours_than_it_says(attempts: int) -> None:
    budget = daily(attempts)
    assert budget is not None
    assert budget.capacity + (DAY - 1) // budget.interval <= attempts


def test_no_attempts_a_day_is_no_limit() -> None:
    assert daily(0) is None
    judged = judge(Counters(NOW + DAY, NOW + DAY, NOW), AttemptLimits(None, None), NOW)
    assert judged == Judgement()


class Account:
    """One account, tried from networks where its user never was. Time passes only in `forward`."""

    def __init__(self, limits: AttemptLimits) -> None:
        self.limits, self.now, self.shared = limits, NOW, 0
        self.networks: dict[int, Counters] = {}
        self.hashed: list[int] = []

    def guess(self, network: int) -> Judgement:
        counters = replace(self.networks.get(network, Counters()), account=self.shared)
        judged = judge(counters, self.limits, self.now)
        after = judged.counters or counters
        self.networks[network], self.shared = after, after.account
        if not judged.full:
            self.hashed.append(self.now)
        return judged

    def most_in_a_day(self) -> int:
        return max(sum(start <= at < start + DAY for at in self.hashed) for start in self.hashed)


def obedient(account: Account, networks: int) -> None:
    """Each network comes again exactly when it may."""
    due = dict.fromkeys(range(networks), account.now)
    while account.now < NOW + 3 * DAY:
        network = min(due, key=due.__getitem__)
        account.now = max(account.now, due[network])
        due[network] = account.now + max(account.guess(network).wait, SECOND)


def impatient(account: Account, networks: int) -> None:
    """One guess every 7 seconds, each from the next network."""
    for number in range(86400 // 7):
        account.now = NOW + 7 * number * SECOND
        account.guess(number % networks)


def always_new(account: Account, networks: int) -> None:
    """No network comes twice, until all have been told to wait."""
    for round in range(200):
        account.now = NOW + round * LONGEST_WAIT
        for network in range(networks):
            account.guess(network)


@pytest.mark.parametrize("networks", [1, 2, 50])
@pytest.mark.parametrize("attacker", [obedient, impatient, always_new])
def test_at_most_200_guesses_a_day_reach_an_account_from_unknown_networks(
    attacker: Callable[[Account, int], None], networks: int
) -> None:
    account = Account(ACCOUNT)
    attacker(account, networks)
    assert FREE <= account.most_in_a_day() <= 200


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2000 * SECOND)), max_size=200))
def test_whatever_the_order_of_guesses_no_day_has_more_than_the_budget(guesses: list[tuple[int, int]]) -> None:
    account = Account(AttemptLimits(daily(30), daily(20)))
    for network, pause in guesses:
        account.now += pause
        account.guess(network)
    assert not account.hashed or account.most_in_a_day() <= 30


def test_at_most_3000_guesses_a_day_reach_all_accounts_from_one_network() -> None:
    network, now, hashed = 0, NOW, []
    while now < NOW + 2 * DAY:
        judged = judge(Counters(network=network), LIMITS, now)
        network = judged.counters.network if judged.counters else network
        if judged.full:
            now += judged.wait
        else:
            hashed.append(now)
    assert sum(at < NOW + DAY for at in hashed) == 2999
    assert sum(at >= NOW + DAY for at in hashed) == 2400


def test_someone_who_waits_as_long_as_they_were_told_is_let_in_past_those_who_do_not() -> None:
    account, attackers, owner = Account(LIMITS), range(200), 1000
    for tenth in range(600):  # ten guesses a second from 200 networks for a minute
        account.now = NOW + tenth * SECOND // 10
        account.guess(attackers[tenth % 200])
    told = account.guess(owner)
    assert told.full == "account" and told.wait <= 64 * SECOND
    until = account.now + told.wait
    while account.now < until:
        account.guess(attackers[account.now * 10 // SECOND % 200])
        account.now += SECOND // 10
    account.now = until
    assert account.guess(owner).full == ""


def test_a_second_click_does_not_start_the_wait_again_but_coming_back_early_does() -> None:
    account = Account(ACCOUNT)
    waits = [account.guess(0).wait // SECOND for _ in range(FREE)]
    assert waits == [0] * (FREE - 1) + [1]
    account.now += SECOND
    assert (account.guess(0).full, account.guess(0).wait) == ("", 2 * SECOND)
    account.now += SECOND // 2
    assert account.guess(0).wait == SECOND * 3 // 2
    account.now += SECOND // 2
    assert account.guess(0).wait == 2 * SECOND
    account.now += 2 * SECOND - 1
    assert account.guess(0).full == "account"


def test_a_wait_begins_again_from_its_second_half_on() -> None:
    """After 13 failures it is 8 seconds long."""
    account, wait = Account(ACCOUNT), 0
    for _ in range(13):
        account.now += wait
        wait = account.guess(0).wait
    began = account.now
    assert account.guess(0).wait == 8 * SECOND
    account.now = began + 4 * SECOND - 1
    told = account.guess(0)
    assert (told.full, told.wait, told.counters) == ("account", 4 * SECOND + 1, None)
    account.now = began + 4 * SECOND
    again = account.guess(0)
    assert (again.full, again.wait) == ("account", 8 * SECOND) and again.counters is not None


def test_what_is_refused_without_a_write_costs_the_network_nothing() -> None:
    since = NOW - SECOND // 4
    counters = Counters(network=0, account=NOW + 10 * 10**12, waits_since=since)
    judged = judge(counters, LIMITS, NOW)
    assert judged.full == "account" and judged.counters is None


def test_failures_are_forgotten() -> None:
    account = Account(ACCOUNT)
    for _ in range(FREE):
        account.guess(0)
    account.now += ACCOUNT.account.interval if ACCOUNT.account else 0
    assert account.guess(0).full == ""


times = st.integers(0, 2 * NOW)


@given(times, times, times, times)
def test_nobody_ever_waits_longer_than_15_minutes_however_the_clock_was_set(
    network: int, account: int, since: int, now: int
) -> None:
    judged = judge(Counters(network, account, since), LIMITS, now)
    assert 0 <= judged.wait <= LONGEST_WAIT
    assert bool(judged.full) <= bool(judged.wait)


@given(times, times, times)
def test_what_is_refused_and_written_costs_the_network_an_attempt(account: int, since: int, now: int) -> None:
    before = Counters(0, account, since)
    judged = judge(before, LIMITS, now)
    if judged.full and judged.counters:
        assert judged.counters.network > now


@given(times, times)
def test_what_is_given_back_was_never_counted(clears_at: int, now: int) -> None:
    budget = LIMITS.account
    assert budget is not None
    if budget.room_in(clears_at, now) == 0:
        back = budget.give_back(budget.add(clears_at, now), now)
        assert budget.remembered(back, now) == budget.remembered(clears_at, now)


@given(times, times)
def test_nobody_waits_for_what_was_given_back_wherever_the_clock_is_set_then(now: int, then: int) -> None:
    budget = LIMITS.account
    assert budget is not None
    assert budget.remembered(budget.give_back(budget.add(0, now), now), then) == 0


def test_the_attempt_that_fills_the_network_says_so() -> None:
    counters, filled = Counters(), []
    for _ in range(601):
        judged = judge(counters, NETWORK, NOW)
        counters = judged.counters or counters
        filled.append(judged.fills_network)
    assert filled.index(True) == 599
    assert (judged.full, judged.wait) == ("network", 36 * SECOND)
