"""Several changes of one row: in one group, and from two nodes at once. The database decides, never an `if`."""

from collections.abc import Callable
from typing import Any

import pytest

from authserver.store import authorizations
from authserver.store.authorizations import confirm, rotate, use
from authserver.store.database import Database
from tests.harness.builders import IDLE
from tests.harness.clock import Clock
from tests.harness.postgres import Postgres
from tests.store.conftest import Run
from tests.store.nodes import two_nodes
from tests.store.rows import a_login, begun, generations, on_postgres, row_of

STALE, FRESH = a_login(generation=4), a_login(generation=5)
ROUNDS = 25
every_isolation = pytest.mark.parametrize("url", ["sqlite", "postgres", "serializable"], indirect=True)


def change(what: Any, login: Any = FRESH) -> Any:
    if what == "rotate":
        return rotate(login, next=login.generation + 1, network="", idle_ttl=IDLE)
    if what == "use":
        return use(login, idle_ttl=IDLE)
    return confirm(login) if what == "confirm" else authorizations.revoke(login.id, reason="revoked")


@pytest.mark.parametrize(
    ("arriving", "outcomes", "generation", "revoked"),
    [
        ("rotate rotate", [True, False], 6, False),
        ("rotate revoke", [True, True], 6, True),
        ("revoke rotate", [True, False], 5, True),
        ("rotate confirm", [True, False], 6, False),
        ("confirm rotate", [True, True], 6, False),
        ("confirm confirm", [True, True], 5, False),
        ("revoke confirm", [True, False], 5, True),
        ("confirm revoke", [True, True], 5, True),
        ("use use", [True, True], 5, False),
        ("use rotate", [True, True], 6, False),
        ("rotate use", [True, False], 6, False),
        ("revoke use", [True, False], 5, True),
        ("revoke revoke", [True, False], 5, True),
        ("confirm rotate confirm revoke rotate", [True, True, False, True, False], 6, True),
    ],
)
def test_two_changes_of_one_row_in_one_group(
    store: Database, write: Callable[..., list[Any]], arriving: str, outcomes: Any, generation: int, revoked: bool
) -> None:
    begun(store, 1, generation=5)
    neighbours = begun(store, 0, 2)
    changes = [change(what) for what in arriving.split()]
    asked = [change("rotate", neighbours[0]), *changes, change("rotate", neighbours[1])]
    assert write(*asked) == [True, *outcomes, True]
    assert generations(store) == {0: 1, 1: generation, 2: 1}
    assert (row_of(store, 1).revoked_at is not None) is revoked


@pytest.mark.parametrize("what", ["rotate", "use", "confirm"])
@pytest.mark.parametrize("stale_first", [True, False])
def test_a_stale_change_beside_a_fresh_one_of_the_same_row_costs_it_nothing(
    store: Database, write: Callable[..., list[Any]], what: str, stale_first: bool
) -> None:
    begun(store, 1, generation=5)
    logins = [STALE, FRESH] if stale_first else [FRESH, STALE]
    assert write(*(change(what, login) for login in logins)) == [login is FRESH for login in logins]
    assert generations(store) == {1: 6 if what == "rotate" else 5}


def test_of_64_rotations_of_one_row_in_one_group_one_wins(store: Database, write: Callable[..., list[Any]]) -> None:
    begun(store, 1, generation=5)
    assert sorted(write(*(change("rotate") for _ in range(64)))) == [False] * 63 + [True]
    assert generations(store) == {1: 6}


@every_isolation
def test_of_two_nodes_that_rotate_one_row_at_once_one_wins(store: Database, run: Run, url: str, clock: Clock) -> None:
    begun(store, 1)

    def rotate_on_both(number: Any) -> Any:
        return [[change("rotate", a_login(generation=number))] for _ in range(2)]

    for outcomes in two_nodes(run, url, clock, map(rotate_on_both, range(ROUNDS))):
        assert sorted(outcomes) == [[False], [True]]
    assert generations(store) == {1: ROUNDS}


@every_isolation
def test_a_rotation_and_a_revocation_on_two_nodes_never_both_win_in_that_order(
    store: Database, run: Run, url: str, clock: Clock
) -> None:
    """Whoever rotates after a revocation loses: what is revoked has the generation that its winners gave it."""
    begun(store, *range(ROUNDS))

    def rotate_and_revoke(number: Any) -> Any:
        return [[change("rotate", a_login(number))], [change("revoke", a_login(number))]]

    for number, outcomes in enumerate(two_nodes(run, url, clock, map(rotate_and_revoke, range(ROUNDS)))):
        (rotated,), (revoked,) = outcomes
        assert revoked is True
        assert row_of(store, number).revoked_at is not None
        assert generations(store)[number] == int(rotated)


@on_postgres
def test_what_is_confirmed_does_not_change_before_the_commit(
    store: Database, run: Run, postgres: Postgres, url: str, clock: Clock
) -> None:
    """A rotation on another node waits for the group that confirmed the row, so that both outcomes are true."""
    (login,) = begun(store, 1)
    name = url.split("/")[3].split("?")[0]
    with store.begin() as connection, postgres.connect(name) as rival:
        confirmed = confirm(login)
        assert confirmed.apply(connection, [confirmed.params], 0) == [True]
        rival.execute("SET lock_timeout = '50ms'")
        with pytest.raises(Exception, match="lock timeout"):
            rival.execute("UPDATE authorizations SET generation = 1")
    assert generations(store) == {1: 0}
