"""The whole semantics of refresh tokens against an oracle that knows none of the code (ledger.py).

Clients, users, operators, backups, outages and the clock do what they like, on two nodes; after every step the answer
and the database are what the ledger says. Requests that come at once must be explained by some order of them.
"""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from itertools import permutations
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from authserver.domain.models import Client
from tests.pipeline.ledger import KINDS, MICROSECONDS, NODES_DIFFER, Answer, Ask, Ledger, Login, Person, Shop
from tests.pipeline.world import World, rows

SHOPS = {
    "app": Shop(grace=30, sleeps_after=600, ends_after=1000, access=300, words=("read", "write")),
    "strict": Shop(grace=0, sleeps_after=600, ends_after=1000, access=900, words=("read", "write")),
    "patient": Shop(grace=20, sleeps_after=40, ends_after=90, access=7, words=("read",)),
    "fixed": Shop(grace=30, sleeps_after=40, ends_after=60, access=300, words=("read", "write"), rotates=False),
}
PEOPLE = ("ada", "bob")
LOGIN = frozenset({"password", "refresh_token"})

shops, people, nodes = st.sampled_from(sorted(SHOPS)), st.sampled_from(PEOPLE), st.sampled_from((0, 1))
which = st.integers(0, 3)
"""Which login."""
older = st.integers(0, 2)
"""Which of its tokens: the newest, the one before, ..."""
times = st.integers(0, 2)
"""How often it is refreshed first."""
edges = st.sampled_from(("grace", "sleeps", "ends", "second"))
late = st.sampled_from((0, 0, 1, 999_999, 5 * MICROSECONDS))
scopes = st.sampled_from((None, None, None, "read", "write", "read write", "admin"))
FORGERIES = (
    lambda text, at: text[:at] + "A" + text[at + 1 :],
    lambda text, at: text[:at] + text[at].swapcase() + text[at + 1 :],
    lambda text, at: text[:at] + " " + text[at:],
    lambda text, at: text + "=" * (1 + at % 2),
    lambda text, at: text + "\n",
    lambda text, at: text[: 1 + at // 2],
)
set_back = st.sampled_from((1, NODES_DIFFER, NODES_DIFFER + 1, 100 * MICROSECONDS))
nudges = st.sampled_from((-MICROSECONDS, -1, 0, 1, MICROSECONDS))


def client_of(name: str, shop: Shop) -> Client:
    own = {
        "refresh_retry_window": shop.grace,
        "refresh_idle_ttl": shop.sleeps_after,
        "refresh_absolute_ttl": shop.ends_after,
        "access_token_ttl": shop.access,
        "rotation": shop.rotates,
    }
    return Client(name, name, "none", LOGIN, shop.words, disabled=not shop.open, policy=own)


class RefreshMachine(RuleBasedStateMachine):
    def __init__(self, world: World) -> None:
        super().__init__()
        self.world, self.clock = world, world.clock
        self.ledger = Ledger(deepcopy(SHOPS), {name: Person() for name in PEOPLE})
        world.reset([client_of(name, shop) for name, shop in SHOPS.items()], list(PEOPLE))
        self.turns = 0

    @initialize(fraction=st.integers(1, MICROSECONDS - 1))
    def no_second_is_whole(self, fraction: int) -> None:
        self.clock.now += fraction

    def login_of(self, which: int) -> Login:
        """One that is not over, for it is of them that there is something to see; the last choice is any."""
        everybody = list(self.ledger.logins.values())[::-1]
        active = [login for login in everybody if self.ledger.is_living(login, self.clock())]
        if which == 3 and everybody:
            return everybody[-1]
        if not active:
            self.log_in(sorted(SHOPS)[which], PEOPLE[which % 2], 0)
            active = list(self.ledger.logins.values())[-1:]
        return active[which % len(active)]

    def name_of(self, login: Login) -> str:
        return next(name for name, other in self.ledger.logins.items() if other is login)

    # What clients do.

    @rule(shop=shops, person=people, node=nodes)
    def log_in(self, shop: str, person: str, node: int) -> None:
        self.ledger.begin(shop, person, self.clock(), self.world.login(shop, person, node))

    @rule(shop=shops, person=people)
    def log_in_while_the_credentials_ended(self, shop: str, person: str) -> None:
        known = self.ledger.people[person].credentials_ended
        self.world.passwords.meanwhile = lambda: self.change_password(person)
        answer = self.world.login(shop, person)
        self.world.passwords.meanwhile = None
        self.ledger.begin(shop, person, self.clock(), answer, known)

    @rule(which=which, times=times, older=older, node=nodes, late=late, words=scopes)
    def refresh(self, which: int, times: int, older: int, node: int, late: int, words: str | None) -> None:
        login = self.refreshed(which, times, node)
        self.present(self.world.ask(login.text(older), login.shop, late=late, node=node, words=words))

    @rule(which=which, times=times, older=older, edge=edges, nudge=nudges, node=nodes)
    def refresh_at_an_edge(self, which: int, times: int, older: int, edge: str, nudge: int, node: int) -> None:
        login = self.refreshed(which, times, node)
        edges = {
            "grace": login.exchanged_at + self.ledger.shops[login.shop].grace * MICROSECONDS,
            "sleeps": login.sleeps_at,
            "ends": login.ends_at,
            "second": login.ends_at - MICROSECONDS,
        }
        self.clock.now = edges[edge] + nudge
        self.present(self.world.ask(login.text(older), login.shop, node=node))

    @rule(shop=shops, person=people, nudge=nudges, node=nodes)
    def retry_at_the_edge(self, shop: str, person: str, nudge: int, node: int) -> None:
        self.log_in(shop, person, node)
        login = list(self.ledger.logins.values())[-1]
        self.present(self.world.ask(login.text(0), shop, node=node))
        self.clock.now += self.ledger.shops[shop].grace * MICROSECONDS + nudge
        self.present(self.world.ask(login.text(1), shop, node=node))

    @rule(which=which, back=set_back, node=nodes, others=st.lists(st.tuples(nodes, older), max_size=2))
    def retry_after_the_clock_was_set_back(
        self, which: int, back: int, node: int, others: list[tuple[int, int]]
    ) -> None:
        login = self.refreshed(which, 1, node)
        self.clock.now -= back
        presented = [(node, 1), *others]
        self.at_once([self.world.ask(login.text(older), login.shop, node=node) for node, older in presented])

    def refreshed(self, which: int, times: int, node: int) -> Login:
        login = self.login_of(which)
        for _ in range(times):
            self.present(self.world.ask(login.text(0), login.shop, node=node))
        return login

    @rule(which=which, times=times, older=older, shop=shops, node=nodes, revokes=st.booleans())
    def present_to_any_client(self, which: int, times: int, older: int, shop: str, node: int, revokes: bool) -> None:
        login = self.refreshed(which, times, node)
        self.present(self.world.ask(login.text(older), shop, node=node, revokes=revokes))

    @rule(which=which, forge=st.sampled_from(FORGERIES), at=st.integers(0, 74), revokes=st.booleans())
    def present_a_forgery(self, which: int, forge: Callable[[str, int], str], at: int, revokes: bool) -> None:
        login = self.login_of(which)
        self.present(self.world.ask(forge(login.text(0), at), login.shop, revokes=revokes))

    @rule(which=which, older=older, node=nodes)
    def revoke(self, which: int, older: int, node: int) -> None:
        login = self.login_of(which)
        self.present(self.world.ask(login.text(older), login.shop, node=node, revokes=True))

    @rule(which=which, who=st.lists(st.tuples(nodes, older, st.integers(0, 9)), min_size=2, max_size=3))
    def present_at_once(self, which: int, who: list[tuple[int, int, int]]) -> None:
        """Two or three requests for neighbouring tokens of one login, one in ten of them to revoke."""
        login = self.login_of(which)
        self.at_once(
            [self.world.ask(login.text(older), login.shop, node=node, revokes=dice == 9) for node, older, dice in who]
        )

    @rule(shop=shops, person=people)
    def present_one_token_on_both_nodes(self, shop: str, person: str) -> None:
        self.log_in(shop, person, 0)
        login = list(self.ledger.logins.values())[-1]
        self.at_once([self.world.ask(login.text(0), shop, node=node) for node in (0, 1)])

    def at_once(self, asks: list[Ask]) -> None:
        ahead = [ask for ask in asks if self.ledger.kind(self.ledger.holder(ask.text), ask) == "lost"]
        pairs = zip(asks, self.world.present_at_once(asks), strict=True)
        # Who is ahead of the row has one walk less to lose to others: then 503 is right, and nothing happened.
        answers = [(ask, answer) for ask, answer in pairs if not (answer.status == 503 and ask in ahead)]
        orders = permutations(answers)
        found = next((ledger for order in orders if (ledger := self.after(order))), None)
        assert found, f"no order explains {answers}"
        self.ledger = found

    def after(self, order: tuple[tuple[Ask, Answer], ...]) -> Ledger | None:
        ledger = deepcopy(self.ledger)
        if any(ledger.explain(ask, answer) for ask, answer in order):
            return None
        return ledger if ledger.rows() == rows(self.world.backup()) else None

    def present(self, ask: Ask) -> None:
        before, stood = self.world.backup(), self.ledger.rows()
        answer = self.world.present(ask)
        complaint = self.ledger.explain(ask, answer)
        assert complaint is None, f"{complaint}: {ask}"
        if self.ledger.rows() == stood:
            assert self.world.backup() == before, f"{answer} changed something: {ask}"

    # What time does.

    @rule(by=st.sampled_from((1, MICROSECONDS, 20 * MICROSECONDS, 35 * MICROSECONDS, 400 * MICROSECONDS)))
    def time_goes_on(self, by: int) -> None:
        self.clock.now += by

    @rule(by=st.sampled_from((1, MICROSECONDS, 100 * MICROSECONDS)))
    def time_is_set_back(self, by: int) -> None:
        self.clock.now -= by

    @precondition(lambda self: all(self.clock() >= until for _, until in sum(self.ledger.outages.values(), [])))
    @precondition(lambda self: all(len(known) < 16 for known in self.ledger.outages.values()))
    @rule(node=nodes, lasting=st.sampled_from((1, 5 * MICROSECONDS, 31 * MICROSECONDS)))
    def the_database_is_out_of_reach(self, node: int, lasting: int) -> None:
        began = self.clock()
        self.world.cut_off(node, lasting)
        self.ledger.outages.setdefault(node, []).append((began, self.clock()))

    # What operators do.

    @rule(person=people)
    def change_password(self, person: str) -> None:
        self.world.change_password(person)
        self.ledger.people[person].credentials_ended += 1

    @rule(which=which, older=older, revokes=st.booleans())
    def present_while_the_user_is_disabled(self, which: int, older: int, revokes: bool) -> None:
        login = self.login_of(which)
        person = self.ledger.people[login.person]
        for welcome in (False, True):
            self.world.set_disabled(login.person, not welcome)
            person.welcome = welcome
            person.credentials_ended += not welcome
            self.present(self.world.ask(login.text(older), login.shop, revokes=revokes))

    @rule(which=which, older=older, revokes=st.booleans())
    def present_while_the_client_is_disabled(self, which: int, older: int, revokes: bool) -> None:
        login = self.login_of(which)
        for open in (False, True):
            self.change_client(login.shop, {"open": open})
            self.present(self.world.ask(login.text(older), login.shop, revokes=revokes))

    @rule(
        shop=shops,
        terms=st.sampled_from(({}, {}, {"words": ("write",)}, {"rotates": False}, {"rotates": True}, {"grace": 10})),
    )
    def change_client(self, shop: str, terms: dict[str, Any]) -> None:
        """Anew from what it was at first."""
        self.ledger.shops[shop] = replace(SHOPS[shop], **terms)
        self.world.change_client(client_of(shop, self.ledger.shops[shop]))

    @rule(which=which, older=older, left=st.sampled_from((0, 0, 1, 5 * MICROSECONDS)))
    def end_a_login_sooner(self, which: int, older: int, left: int) -> None:
        login = self.refreshed(which, 2, 0)
        login.ends_at = min(login.ends_at, self.clock() + left)
        self.world.set_end(self.name_of(login), login.ends_at)
        self.present(self.world.ask(login.text(older), login.shop))

    @rule()
    def rotate_the_refresh_key(self) -> None:
        self.turns += 1
        self.world.rotate_refresh_key(f"turned {self.turns}")

    @rule(which=which, times=times, node=nodes)
    def lose_commits(self, which: int, times: int, node: int) -> None:
        """A restored backup, a failover: commits are undone, and what was handed out stays handed out."""
        self.login_of(which)
        backup, then = self.world.backup(), deepcopy(self.ledger)
        self.refreshed(which, times, node)
        self.world.restore(backup)
        for name, now in self.ledger.logins.items():
            then.logins[name].given = now.given
        self.ledger = then

    @rule(which=which, times=st.integers(1, 2), older=st.integers(0, 1), node=nodes)
    def present_after_commits_were_lost(self, which: int, times: int, older: int, node: int) -> None:
        name = self.name_of(self.login_of(which))
        self.lose_commits(which, times, node)
        login = self.ledger.logins[name]
        self.present(self.world.ask(login.text(older), login.shop, node=node))

    @invariant()
    def the_database_says_what_the_ledger_says(self) -> None:
        assert rows(self.world.backup()) == self.ledger.rows()


SETTINGS = settings(max_examples=80, stateful_step_count=30, suppress_health_check=list(HealthCheck))


def test_refresh_tokens_are_what_the_ledger_says_rfc9700_4_14_2(whole_world: World) -> None:
    machines: list[RefreshMachine] = []

    class Machine(RefreshMachine):
        def __init__(self) -> None:
            super().__init__(whole_world)
            machines.append(self)

    run_state_machine_as_test(Machine, settings=SETTINGS)
    assert set().union(*(machine.ledger.seen for machine in machines)) == KINDS
