"""The wall clock is set while the server runs: tokens follow at once, no retry in time is reuse, nothing is revived."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from authserver import system
from authserver.app import create_app
from authserver.background import INTERVALS
from authserver.clock import Clock as SystemClock
from authserver.resource import Guard
from authserver.settings import Settings
from authserver.store.database import Database
from tests.harness.clock import Clock
from tests.harness.constants import ISSUER, PASSWORD, SECOND
from tests.harness.sample_database import as_client
from tests.web.answers import INVALID_GRANT, assert_done, assert_granted, assert_refused, claims_of
from tests.web.serving import Logins, change_client, execute, rows, the_login, wait_until, wait_until_ready

HOUR, DAY, YEAR = 3600, 86400, 365 * 86400
STEPS = [3, HOUR, DAY, YEAR, -3, -HOUR, -DAY, -YEAR]


class Machine:
    def __init__(self, clock: Clock, database: Database) -> None:
        self.wall, self.steady, self.database = clock, 0, database
        self.clock = SystemClock(clock, lambda: self.steady)

    def passes(self, seconds: Any, step: Any = 0) -> None:
        self.steady += round(seconds * SECOND)
        self.wall.forward(seconds + step)

    def serve(self, settings: Settings) -> Any:
        return TestClient(create_app(settings, now=self.clock), ISSUER, raise_server_exceptions=False)


@pytest.fixture
def machine(database: Database, clock: Clock) -> Machine:
    return Machine(clock, database)


@pytest.fixture
def http(machine: Any, settings: Settings) -> Iterator[Any]:
    with machine.serve(settings) as http:
        yield http


@pytest.mark.parametrize("step", STEPS)
def test_a_token_follows_the_wall_clock_at_once_and_the_server_stays_ready(
    http: Any, machine: Any, token: Callable[..., Any], step: Any
) -> None:
    assert_granted(token("client_credentials", "web"))
    machine.passes(1, step)
    assert http.get("/health/ready").status_code == 200
    answer = assert_granted(token("client_credentials", "web"))
    claims = claims_of(answer)
    assert (claims["iat"], claims["exp"]) == (machine.wall() // SECOND, machine.wall() // SECOND + 900)
    jwks = http.get("/.well-known/jwks.json").json()
    guard = Guard(ISSUER, claims["aud"], keys=lambda: jwks, now=lambda: machine.wall() / SECOND)
    assert guard.verify(answer["access_token"]).client_id == claims["client_id"]


@pytest.mark.parametrize("step", [step for step in STEPS if step < 7 * DAY])
def test_a_retry_in_time_gets_its_successor_and_a_late_one_is_reuse_whatever_the_step(
    machine: Any, rotated: Callable[..., list[str]], refresh: Callable[..., Any], step: Any
) -> None:
    retried, newest = rotated(1)
    machine.passes(10, step)
    assert assert_granted(refresh(retried))["refresh_token"] == newest
    machine.passes(19)
    assert assert_granted(refresh(retried))["refresh_token"] == newest
    machine.passes(16)
    assert_refused(refresh(retried), INVALID_GRANT)


def test_steps_there_and_back_do_not_end_a_window_nor_keep_it_open(
    machine: Any, rotated: Callable[..., list[str]], refresh: Callable[..., Any]
) -> None:
    retried, newest = rotated(1)
    for step in (HOUR, -2 * HOUR, HOUR, DAY, -DAY):
        machine.passes(5, step)
        assert assert_granted(refresh(retried))["refresh_token"] == newest
    machine.passes(10)
    assert_refused(refresh(retried), INVALID_GRANT)


def test_what_was_revoked_stays_so_when_the_clock_goes_back(
    http: Any, machine: Any, rotated: Callable[..., list[str]], refresh: Callable[..., Any]
) -> None:
    _, newest = rotated(1)
    assert_done(http.post("/revoke", data={"client_id": "app", "token": newest}))
    machine.passes(1, -DAY)
    assert_refused(refresh(newest), INVALID_GRANT)


def test_a_change_of_a_client_counts_within_5_s_though_the_clock_went_back(
    http: Any, machine: Any, database: Database
) -> None:
    form = {"grant_type": "client_credentials"} | as_client("web")
    assert_granted(http.post("/token", data=form))
    change_client(database, "web", disabled=True)
    machine.passes(5, -YEAR)
    assert http.post("/token", data=form).json()["error"] == "invalid_client"


def test_keys_that_cannot_be_read_for_30_s_sign_nothing_though_the_clock_went_back(
    http: Any, machine: Any, database: Database, token: Callable[..., Any]
) -> None:
    execute(database, "ALTER TABLE signing_keys RENAME TO away")
    machine.passes(29, HOUR)
    assert_granted(token("client_credentials", "web"))
    machine.passes(2, -HOUR)
    assert token("client_credentials", "web").status_code == 503
    assert http.get("/health/ready").json()["down"] == ["database", "keys"]
    execute(database, "ALTER TABLE away RENAME TO signing_keys")
    wait_until_ready(http)
    assert_granted(token("client_credentials", "web"))


def test_a_row_from_a_clock_that_was_ahead_before_the_start_counts_from_its_first_retry(
    http: Any, machine: Any, database: Database, settings: Settings, token: Callable[..., Any]
) -> None:
    """Nobody here knows when it was rotated: a client that retries is let in, and from then on the window is as long as
    ever, instead of open until the clock has caught up."""
    logins = Logins(database, settings, machine.wall)
    login = logins.plant(1, rotated_at=machine.wall() + HOUR * SECOND, rotated_from="192.0.2.0/24")
    retried = logins.token(login, 2)

    def retry() -> Any:
        return token("refresh_token", refresh_token=retried)

    assert assert_granted(retry())["refresh_token"] == logins.token(login, 3)
    assert the_login(database)["rotated_at"] == machine.wall()
    assert (the_login(database)["generation"], the_login(database)["rotated_from"]) == (3, "192.0.2.0/24")
    machine.passes(29)
    assert_granted(retry())
    machine.passes(1)
    assert_refused(retry(), INVALID_GRANT)


def test_a_login_by_password_works_and_lasts_as_long_as_ever_after_a_step(
    machine: Any, token: Callable[..., Any]
) -> None:
    machine.passes(1, YEAR)
    text = assert_granted(token("password", username="ada", password=PASSWORD))["refresh_token"]
    machine.passes(1, -YEAR)
    assert_granted(token("refresh_token", refresh_token=text))


@pytest.fixture
def own(machine: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Servers that go by this machine's clocks, which are the test's."""
    monkeypatch.setattr(system, "now", machine.wall)
    monkeypatch.setattr(system, "steady", lambda: machine.steady)
    monkeypatch.setattr(system, "boot", lambda: "this boot")
    return machine


@pytest.fixture
def serve(settings: Settings) -> Callable[..., Any]:
    return lambda: TestClient(create_app(settings), ISSUER, raise_server_exceptions=False)


def refreshed(http: Any, text: Any) -> Any:
    form = {"grant_type": "refresh_token", "client_id": "app", "refresh_token": text}
    return http.post("/token", data=form)


@pytest.mark.parametrize("step", [HOUR, -HOUR])
@pytest.mark.parametrize("while_it_runs", [True, False])
def test_a_retry_in_time_is_one_in_a_process_that_starts_after_the_step(
    own: Any, serve: Any, database: Database, settings: Settings, events: list[Any], step: Any, while_it_runs: bool
) -> None:
    logins = Logins(database, settings, own.wall)
    login = logins.plant(1, generation=0)
    with serve() as first:
        newest = assert_granted(refreshed(first, logins.token(login, 0)))["refresh_token"]
        if while_it_runs:
            own.passes(10, step)
            wait_until(lambda: "clock_stepped" in [event["event"] for event in events])  # though no request comes
            wait_until(lambda: len(known(database)) == 2)
    if not while_it_runs:
        own.passes(10, step)
    with serve() as second:
        assert assert_granted(refreshed(second, logins.token(login, 0)))["refresh_token"] == newest
        own.passes(27)
        assert_refused(refreshed(second, logins.token(login, 0)), INVALID_GRANT)
        wait_until(lambda: "clock_stepped" in [event["event"] for event in events])
    assert [event["event"] for event in events].count("clock_stepped") == 1


def known(database: Database) -> Any:
    (row,) = rows(database, "clocks")
    return json.loads(row["intervals"])


@pytest.mark.thorough
def test_a_login_that_only_a_clock_set_forward_takes_for_over_is_not_pruned(
    own: Any, serve: Any, database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(INTERVALS, "prune", 0.01)
    Logins(database, settings, own.wall).plant(1)
    with serve():
        own.passes(1, YEAR)
        wait_until(lambda: rows(database, "pruning")[0]["next_at"] > own.wall())
        assert rows(database, "authorizations")
        own.passes(DAY + 10)
        wait_until(lambda: gone_by_now(own, database))


def gone_by_now(own: Any, database: Database) -> bool:
    """Let another second pass before each look: pruning that began before the day passed may have put off its next
    batch."""
    own.passes(1)
    return not rows(database, "authorizations")
