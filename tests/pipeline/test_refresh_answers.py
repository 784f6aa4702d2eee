"""What single refreshes answer, change and log, through the whole pipeline."""

from dataclasses import replace
from typing import Any

import pytest
import structlog

from authserver.domain.errors import Unavailable
from authserver.domain.refresh_token import MAX_GENERATION, render
from authserver.store.database import OutcomeUnknown
from tests.harness.constants import SECOND
from tests.pipeline.conftest import FIXED
from tests.pipeline.ledger import Answer
from tests.pipeline.world import ELSEWHERE, World

REFUSED = Answer(400, "invalid_grant")
DAY = 86400 * SECOND


def first_and_second(world: World, client: str = "app") -> tuple[str, str]:
    """The token of a login and its successor."""
    first = world.login(client, "ada").token
    assert first
    second = world.refresh(first, client).token
    assert second and second != first
    return first, second


def row(world: World) -> dict[str, Any]:
    (only,) = world.backup()
    return dict(only)


def test_reuse_ends_the_login_before_it_is_answered_rfc9700_4_14_2(world: World) -> None:
    first, second = first_and_second(world)
    third = world.refresh(second, "app").token
    assert world.refresh(first, "app") == REFUSED
    assert (row(world)["revoked_at"], row(world)["revoked_reason"]) == (world.clock(), "reuse")
    assert [world.refresh(str(token), "app") for token in (first, second, third)] == [REFUSED] * 3


def test_reuse_with_a_scope_that_may_not_be_had_ends_the_login_all_the_same(world: World) -> None:
    first, _ = first_and_second(world)
    world.clock.forward(30)
    assert world.refresh(first, "app", words="admin") == REFUSED
    assert row(world)["revoked_reason"] == "reuse"


def test_a_retry_gives_the_same_successor_and_changes_nothing(world: World) -> None:
    first, second = first_and_second(world)
    before = world.backup()
    for _ in range(3):
        world.clock.forward(9.999999)
        assert world.refresh(first, "app").token == second
    assert world.backup() == before
    assert world.refresh(second, "app").token not in (first, second, None)


def test_a_strangers_token_is_refused_and_nothing_changes_however_old_it_is_rfc6749_10_4(world: World) -> None:
    first, second = first_and_second(world)
    third = world.refresh(second, "app").token
    before = world.backup()
    for token in (first, second, third):
        assert world.refresh(str(token), "other") == REFUSED
        assert world.revoke(str(token), "other") == REFUSED
    assert world.backup() == before
    assert world.refresh(str(third), "app").status == 200


@pytest.mark.parametrize(
    "respelled", [" {}", "{} ", "{}\n", "{}=", "{}==", "\t{}", "{}\r\n", "{}A", "{}.", '"{}"', "{}\u200b"]
)
def test_no_other_spelling_of_a_token_is_the_token(world: World, respelled: str) -> None:
    token = str(world.login("app", "ada").token)
    assert world.refresh(respelled.format(token), "app") == REFUSED
    assert world.revoke(respelled.format(token), "app") == Answer(200)
    assert world.refresh(token, "app").status == 200


def test_the_idle_end_never_passes_the_absolute_one(world: World) -> None:
    token = str(world.login("app", "ada").token)
    ends = world.clock() + 30 * DAY
    for day in range(1, 30):
        world.clock.forward(86400)
        token = str(world.refresh(token, "app").token)
        assert (row(world)["idle_expires_at"], row(world)["expires_at"]) == (
            min(world.clock() + 7 * DAY, ends),
            ends,
        ), day
    world.clock.now = ends - SECOND
    answer = world.refresh(token, "app")
    assert (answer.status, answer.expires_in) == (200, 1)  # an access token never outlives its login either
    world.clock.now = ends - SECOND + 1
    before = world.backup()
    assert world.refresh(str(answer.token), "app") == REFUSED
    assert world.backup() == before


def test_without_rotation_the_token_stays_the_same_and_only_its_idle_end_moves(world: World) -> None:
    token = str(world.login("fixed", "ada").token)
    before = row(world)
    for seconds, idle in ((30, 60), (20, 50), (30, 20), (19, 1)):
        world.clock.forward(seconds)
        assert world.refresh(token, "fixed").token == token
        assert row(world) == before | {"idle_expires_at": world.clock() + idle * SECOND}
    world.clock.forward(1)
    assert world.refresh(token, "fixed") == REFUSED


def test_a_strict_client_has_no_retry_and_no_second_chance(world: World) -> None:
    first, second = first_and_second(world, "strict")
    assert world.refresh(first, "strict") == REFUSED
    assert world.refresh(second, "strict") == REFUSED


def test_a_database_that_lost_commits_believes_a_token_ahead_of_it_and_an_older_one_is_reuse(world: World) -> None:
    first, second = first_and_second(world)
    lost = world.backup()
    third = str(world.refresh(second, "app").token)
    fourth = world.refresh(third, "app").token
    world.restore(lost)
    with structlog.testing.capture_logs() as logs:
        assert world.refresh(third, "app").token == fourth
    assert [entry["event"] for entry in logs if entry["log_level"] == "warning"] == ["refresh_token_ahead"]
    assert row(world)["generation"] == 3
    assert world.refresh(second, "app") == REFUSED
    assert row(world)["revoked_reason"] == "reuse"


def test_the_last_generation_is_given_and_ends_the_login_instead_of_overflowing(world: World) -> None:
    assert world.login("app", "ada").token
    world.restore([row(world) | {"generation": MAX_GENERATION - 1}])
    login, key = row(world), world.nodes[0].keyring.refresh_key(row(world)["refresh_key_id"])
    last_but_one, last = (
        render(login["id"], generation, key=key, salt=login["salt"])
        for generation in (MAX_GENERATION - 1, MAX_GENERATION)
    )
    assert world.refresh(last_but_one, "app").token == last
    before = world.backup()
    assert world.refresh(last, "app") == REFUSED
    assert world.backup() == before


@pytest.mark.parametrize("noticed", [True, False])
def test_time_without_the_database_does_not_count_towards_the_window(world: World, noticed: bool) -> None:
    first, second = first_and_second(world)
    world.clock.forward(29)
    world.cut_off(0, 3600 * SECOND, noticed=noticed)  # not noticed: the next request is the first that gets through
    assert world.refresh(first, "app").token == second
    world.clock.forward(0.999999)
    assert world.refresh(first, "app").token == second
    world.clock.forward(0.000001)
    assert world.refresh(first, "app") == REFUSED


def test_another_nodes_outage_is_no_excuse(world: World) -> None:
    first, _ = first_and_second(world)
    world.cut_off(1, 31 * SECOND)
    assert world.refresh(first, "app", node=0) == REFUSED


def test_a_refresh_key_that_a_node_has_not_read_is_read_and_then_the_answer_is_given(world: World) -> None:
    world.clock.forward(1)
    world.rotate_refresh_key("new")
    token = str(world.login("app", "ada").token)
    assert row(world)["refresh_key_id"] == "new"
    assert world.refresh(token, "app", node=1).status == 200


def test_a_row_whose_refresh_key_nobody_has_is_503_and_never_invalid_grant(world: World) -> None:
    token = str(world.login("app", "ada").token)
    world.restore([row(world) | {"refresh_key_id": "lost"}])
    assert world.refresh(token, "app").status == world.revoke(token, "app").status == 503


def test_a_retry_after_a_new_refresh_token_key_gets_the_same_successor(world: World) -> None:
    first, second = first_and_second(world)
    world.rotate_refresh_key("new")
    assert world.refresh(first, "app").token == second


def test_an_unknown_outcome_is_503_and_its_retry_is_no_reuse(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    token, database = str(world.login("app", "ada").token), world.nodes[0].database
    write = database.write

    async def write_and_lose_the_line(change: Any) -> bool:
        await write(change)
        raise OutcomeUnknown("The line went dead in COMMIT.")

    monkeypatch.setattr(database, "write", write_and_lose_the_line)
    assert world.refresh(token, "app").status == 503
    monkeypatch.undo()
    answer = world.refresh(token, "app")
    assert answer.status == 200 and world.refresh(str(answer.token), "app").status == 200


def test_a_signer_that_fails_leaves_nothing_changed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    token, before = str(world.login("app", "ada").token), world.backup()

    def fail(*_: object) -> str:
        raise Unavailable("The signer is away.")

    monkeypatch.setattr(world.nodes[0].keyring, "sign", fail)
    assert world.refresh(token, "app").status == 503
    assert world.backup() == before


def test_a_scope_withdrawn_from_the_client_leaves_the_answer_rfc6749_6(world: World) -> None:
    token = str(world.login("fixed", "ada").token)
    world.change_client(replace(FIXED, scope=("write",)))
    assert world.refresh(token, "fixed").scope == "write"
    assert world.refresh(token, "fixed", words="read").error == "invalid_scope"
    world.change_client(replace(FIXED, scope=("admin",)))
    before = world.backup()
    assert world.refresh(token, "fixed") == REFUSED
    assert world.backup() == before


def events(world: World, *present: Any) -> list[tuple[str, str]]:
    with structlog.testing.capture_logs() as logs:
        world.refresh(*present[:2], **(present[2] if len(present) > 2 else {}))
    return [(entry["log_level"], entry["event"]) for entry in logs if entry["event"] != "refused"]


def test_each_line_of_the_table_has_its_event(world: World) -> None:
    token = str(world.login("app", "ada").token)
    assert events(world, token, "app") == []
    assert events(world, token, "app") == [("info", "refresh_token_retried")]
    assert events(world, token, "app", {"network": ELSEWHERE}) == [("warning", "refresh_token_retried_from_elsewhere")]
    assert events(world, token, "other") == [("warning", "refresh_token_foreign")]
    world.clock.forward(30)
    assert events(world, token, "app") == [("error", "refresh_token_reused")]
    assert events(world, token, "app") == [("info", "refresh_token_refused")]


def test_no_token_is_in_any_event(world: World) -> None:
    first, second = first_and_second(world)
    with structlog.testing.capture_logs() as logs:
        for token, client in ((first, "app"), (first, "other"), (second, "app"), (first, "app")):
            world.refresh(token, client)
    assert len(logs) >= 4 and "rt_" not in str(logs) and "eyJ" not in str(logs)
