"""Several requests that have all loaded the same row: the database lets one of them advance it, once.

The successor proves nothing, for it is computed; the generation in the row does.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from authserver.domain.models import Authorization
from authserver.store import authorizations
from authserver.store.database import Change
from tests.pipeline.world import HOME, World

MANY = 8


@pytest.fixture
def login(world: World) -> Authorization:
    """As several walks have loaded it, before any of them commits."""
    token = world.login("app", "ada").token
    assert world.refresh(str(token), "app").status == 200
    (row,) = world.backup()
    loads = [world.load(row["id"], node) for node in (0, 1, 0, 1)]
    assert loads[0] is not None and loads == loads[:1] * 4
    return loads[0].authorization


def rotate(login: Authorization) -> Change:
    return authorizations.rotate(login, next=login.generation + 1, network=HOME, idle_ttl=60)


def generation(world: World) -> int:
    (row,) = world.backup()
    return int(row["generation"])


async def in_one_group(world: World, changes: list[Change]) -> list[bool]:
    return await asyncio.gather(*(world.databases[0].write(change) for change in changes))


async def each_in_a_group_of_its_own(world: World, changes: list[Change]) -> list[bool]:
    return [await world.databases[0].write(change) for change in changes]


async def on_two_nodes(world: World, changes: list[Change]) -> list[bool]:
    return await asyncio.gather(*(world.databases[place % 2].write(change) for place, change in enumerate(changes)))


Commit = Callable[[World, list[Change]], Any]
every_way = pytest.mark.parametrize("commit", [in_one_group, each_in_a_group_of_its_own, on_two_nodes])


@every_way
def test_of_many_that_loaded_one_row_one_advances_it_once(world: World, login: Authorization, commit: Commit) -> None:
    held = world.wait(commit(world, [rotate(login) for _ in range(MANY)]))
    assert sorted(held) == [False] * (MANY - 1) + [True]
    assert generation(world) == login.generation + 1


@every_way
def test_a_revocation_among_them_is_the_last_word(world: World, login: Authorization, commit: Commit) -> None:
    changes = [rotate(login), authorizations.revoke(login.id, reason="revoked"), rotate(login)]
    held = world.wait(commit(world, changes))
    assert held[1] and held.count(True) <= 2
    assert generation(world) == login.generation + held[0] + held[2]


@every_way
def test_a_row_that_was_loaded_before_it_was_revoked_cannot_be_used_rfc7009_2_1(
    world: World, login: Authorization, commit: Commit
) -> None:
    assert world.wait(commit(world, [authorizations.revoke(login.id, reason="revoked")])) == [True]
    late = [rotate(login), authorizations.confirm(login), authorizations.use(login, idle_ttl=60)]
    before = world.backup()
    assert [world.wait(commit(world, [change])) for change in late] == [[False]] * 3
    assert world.backup() == before


@every_way
def test_a_retry_is_confirmed_only_while_what_it_gives_is_the_newest(
    world: World, login: Authorization, commit: Commit
) -> None:
    assert world.wait(commit(world, [authorizations.confirm(login)] * 3)) == [True] * 3
    assert world.wait(commit(world, [rotate(login)])) == [True]
    assert world.wait(commit(world, [authorizations.confirm(login)] * 3)) == [False] * 3
    assert generation(world) == login.generation + 1


@pytest.mark.thorough
@pytest.mark.parametrize("nodes", [(0,), (0, 1)])
def test_many_refreshes_of_one_token_at_once_give_one_successor_rfc9700_4_14_2(world: World, nodes: tuple[int]) -> None:
    token = str(world.login("app", "ada").token)
    for steps in range(1, 11):
        asks = [world.ask(token, "app", node=nodes[place % len(nodes)]) for place in range(16)]
        answers = world.present_at_once(asks)
        assert {answer.status for answer in answers} == {200}
        assert len({answer.token for answer in answers}) == 1
        assert generation(world) == steps
        token = str(answers[0].token)


@pytest.mark.parametrize("nodes", [(0,), (0, 1)])
def test_no_refresh_that_began_after_a_revocation_succeeds_rfc7009_2_1(world: World, nodes: tuple[int]) -> None:
    for _ in range(10):
        token = str(world.login("app", "ada").token)
        asks = [world.ask(token, "app", node=nodes[place % len(nodes)], revokes=place == 3) for place in range(8)]
        answers = world.present_at_once(asks)
        assert answers[3].status == 200
        successor = next((answer.token for answer in answers if answer.token), token)
        assert {answer.status for place, answer in enumerate(answers) if place != 3} <= {200, 400}
        assert [world.refresh(text, "app").error for text in (token, successor)] == ["invalid_grant"] * 2
