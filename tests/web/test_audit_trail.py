"""What requests leave in the audit trail: each row in full, and the log line with the same fields."""

from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from authserver.domain.models import User
from authserver.store import users
from authserver.store.database import Database
from tests.harness.browser import Browser, answer_of
from tests.harness.clock import Clock
from tests.harness.constants import PASSWORD
from tests.web.answers import assert_granted
from tests.web.serving import ELSEWHERE, HOME, execute, rows, the_login, wait_until

FIELDS = ("event", "actor", "result", "username", "subject", "client_id", "network", "detail")
ADA = ("ada", "u_ada", "app", "192.0.2.0/24")
BY_ADA, BY_APP = ("user:u_ada", "success"), ("client:app", "failure")
Trail = Callable[..., list[tuple[Any, ...]]]


@pytest.fixture(autouse=True)
def at_home(from_host: Callable[[str], None]) -> None:
    from_host(HOME)


@pytest.fixture
def trail(http: TestClient, database: Database) -> Trail:
    """`trail(3)`: what requests left, once there are three rows; each of the authorization, if it has one.

    Rows that change nothing are written without the request waiting, so that they may come after the answer.
    """
    of_the_start = len(rows(database, "events"))

    def trail(number: int, authorization: bytes | None = None) -> list[tuple[Any, ...]]:
        wait_until(lambda: len(rows(database, "events")) >= of_the_start + number)
        found = rows(database, "events")[of_the_start:]
        assert {row["authorization_id"] for row in found} == {authorization}
        return [tuple(row[name] for name in FIELDS) for row in found]

    return trail


def test_of_a_login_that_is_retried_stolen_and_found_out(
    rotated: Any, refresh: Any, trail: Trail, database: Database, clock: Clock, from_host: Any, events: list[Any]
) -> None:
    tokens = rotated(2)
    assert_granted(refresh(tokens[1]))
    from_host(ELSEWHERE)
    assert_granted(refresh(tokens[1]))
    from_host(HOME)
    clock.forward(31)
    for _ in range(2):
        assert refresh(tokens[0]).status_code == 400
    elsewhere = (*ADA[:3], "198.51.100.0/24")
    assert sorted(trail(5, the_login(database)["id"])) == sorted(
        [
            ("login", *BY_ADA, *ADA, None),
            ("refresh_token_retried", *BY_ADA, *ADA, "generation 1"),
            ("refresh_token_retried_from_elsewhere", *BY_ADA, *elsewhere, "generation 1"),
            ("refresh_token_reused", *BY_APP, *ADA, "generation 0"),
            (
                *("refresh_token_refused", *BY_APP, *ADA),
                "revoked by reuse at 2027-01-15T08:00:31Z; generation 0",
            ),
        ]
    )
    told = [(entry["event"], entry.get("generation")) for entry in events if entry["event"] != "refused"]
    assert told == [
        ("login", None),
        ("refresh_token_retried", "1"),
        ("refresh_token_retried_from_elsewhere", "1"),
        ("refresh_token_reused", "0"),
        ("refresh_token_refused", "0"),
    ]


def test_a_refresh_token_of_another_client_is_on_record(
    rotated: Any, refresh: Any, trail: Trail, database: Database, events: list[Any]
) -> None:
    assert refresh(rotated(1)[1], "web").status_code == 400
    foreign = ("refresh_token_foreign", "client:web", "failure", "ada", "u_ada", "web", ADA[3], "generation 1")
    assert trail(2, the_login(database)["id"])[1] == foreign
    assert events[-2]["event"] == "refresh_token_foreign" and events[-2]["generation"] == "1"


def test_of_a_row_that_a_failover_set_back(
    rotated: Any, refresh: Any, trail: Trail, database: Database, events: list[Any]
) -> None:
    newest = rotated(3)[-1]
    execute(database, "UPDATE authorizations SET generation = 1")
    assert_granted(refresh(newest))
    assert trail(2, the_login(database)["id"])[1] == ("refresh_token_ahead", *BY_ADA, *ADA, "generation 3")
    assert events[-1]["event"] == "refresh_token_ahead" and events[-1]["generation"] == "3"


def test_revocations_are_on_record(
    http: TestClient, login: Callable[..., Any], trail: Trail, database: Database
) -> None:
    tokens = login()
    for name in ("access_token", "refresh_token"):
        http.post("/revoke", data={"client_id": "app", "token": tokens[name]})
    assert [row[:-1] for row in trail(3, the_login(database)["id"])] == [
        ("login", *BY_ADA, *ADA),
        ("access_token_denied", *BY_ADA, None, *ADA[1:]),  # whose user is not loaded
        ("revoked", *BY_ADA, *ADA),
    ]


def test_refused_logins_are_on_record(http: TestClient, trail: Trail, events: list[Any]) -> None:
    ask = {"grant_type": "password", "username": "ada", "password": PASSWORD}
    http.post("/token", data=ask | {"client_id": "web", "client_secret": "wrong"})
    http.post("/token", data=ask | {"client_id": "nobody", "client_secret": "wrong"})
    http.post("/token", data=ask | {"client_id": "app", "password": "wrong"})
    http.post("/token", data=ask | {"client_id": "app", "username": "nobody"})
    failed, wrong = "client_authentication_failed", "wrong client secret"
    assert sorted(trail(4), key=str) == sorted(
        [
            (failed, "client:web", "failure", None, None, "web", ADA[3], wrong),
            (failed, "anonymous", "failure", None, None, None, ADA[3], "no such client"),
            ("login_failed", *BY_APP, *ADA, "wrong password"),
            ("login_failed", *BY_APP, None, None, "app", ADA[3], "no such user"),
        ],
        key=str,
    )
    told = [entry["reason"] for entry in events if entry["event"] != "refused"]
    assert told == [wrong, "no such client", "wrong password", "no such user"]


def test_of_a_sign_in_its_consent_and_its_code(browser: Browser, redeem: Any, database: Database, later: Any) -> None:
    wrong = browser.sign_in(browser.authorize(), password="wrong")
    code = answer_of(browser.allow(browser.sign_in(wrong)))["code"]
    assert_granted_by_code(redeem(code))
    later(11)
    redeem(code)
    of_ada = ("ada", "u_ada", "sso", "192.0.2.0/24")
    (session,) = rows(database, "sessions")
    found = [row[:-1] if row[0] == "code_replayed" else row for row in everything_of(database)]
    assert sorted(found) == sorted(
        [
            ("sign_in_failed", "anonymous", "failure", *of_ada, "wrong password"),
            ("sign_in", *BY_ADA, *of_ada, f"sid {session['id'].hex()}"),
            ("consent_given", *BY_ADA, *of_ada, "scope openid read"),
            ("code_redeemed", *BY_ADA, *of_ada, None),
            ("code_replayed", "client:sso", "failure", *of_ada),
        ]
    )


def test_of_a_consent_is_what_the_user_agreed_to_this_time(browser: Browser, database: Database) -> None:
    browser.code()
    more = {"scope": "openid profile", "claims": '{"userinfo": {"email": null}}', "resource": "https://other.example"}
    browser.allow(browser.authorize(**more))
    browser.deny(browser.authorize(scope="openid email"))
    of_ada = ("ada", "u_ada", "sso", "192.0.2.0/24")
    assert [tuple(row[name] for name in FIELDS) for row in rows(database, "events") if "consent" in row["event"]] == [
        ("consent_given", *BY_ADA, *of_ada, "scope openid read"),
        (
            *("consent_given", *BY_ADA, *of_ada),
            "scope openid profile; claims email; resources https://other.example",
        ),
        ("consent_denied", "user:u_ada", "failure", *of_ada, None),
    ]


def assert_granted_by_code(answer: Any) -> None:
    assert answer.status_code == 200, answer.text


def everything_of(database: Database) -> list[tuple[Any, ...]]:
    wait_until(lambda: len([row for row in rows(database, "events") if row["client_id"] == "sso"]) >= 5)
    found = [row for row in rows(database, "events") if row["client_id"] == "sso"]
    return [tuple(row[name] for name in FIELDS) for row in found]


def test_of_sessions_that_end_and_of_forged_forms(
    browser: Browser, database: Database, password_hash: str, clock: Clock
) -> None:
    with database.begin() as connection:
        users.add(connection, User("u_bob", "bob", password_hash, created_at=clock()))
    browser.code()
    page = browser.authorize(prompt="login")
    browser.submit(page, headers={"Origin": "https://evil.example"})
    browser.sign_in(page, username="bob")
    wait_until(lambda: "form_forged" in {row["event"] for row in rows(database, "events")})
    told = {row["event"]: row for row in rows(database, "events")}
    ended, forged = told["session_ended"], told["form_forged"]
    assert (ended["subject"], ended["detail"].partition(";")[0]) == ("u_ada", "another user signed in")
    assert (forged["actor"], forged["detail"]) == ("anonymous", "The form is of another origin.")
