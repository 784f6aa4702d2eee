"""Every refusal's line in the log says which of the possible reasons it was, of whom, and nothing that was sent."""

from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest
from starlette.testclient import TestClient

from authserver.domain.models import Secret
from authserver.domain.refresh_token import MAX_GENERATION
from authserver.settings import Settings
from authserver.store.database import Database
from authserver.web.malformed import MalformedRequests
from tests.harness.clock import Clock
from tests.harness.constants import PASSWORD, SECOND, SECRET
from tests.web.serving import Logins, add_client, execute, the_login

DAY = 86400
REVOKED = "2027-01-15T08:00:00Z"  # when the tests' clock begins


@pytest.fixture
def refused(http: TestClient, events: list[Any]) -> Callable[..., Any]:
    """`refused("/token", client_id=..., ...)` posts a form: the fields of the one line that says why it was refused."""

    def refused(path: Any = "/token", headers: Any = (), **form: Any) -> Any:
        events.clear()
        assert http.post(path, data=form, headers=dict(headers)).status_code in (400, 401)
        (entry,) = [entry for entry in events if entry["event"] == "refused"]
        return {name: entry[name] for name in ("reason", "client_id", "subject", "grant_id") if name in entry}

    return refused


@pytest.fixture
def logins(database: Database, settings: Settings, clock: Clock) -> Any:
    return Logins(database, settings, clock)


ADA = {"client_id": "app", "subject": "u_ada"}


def test_the_log_says_why_a_password_was_refused(refused: Any, database: Database) -> None:
    login = {"grant_type": "password", "client_id": "app", "username": "ada"}
    assert refused(**login, password="wrong") == ADA | {"reason": "wrong password"}
    nobody = refused(**login | {"username": "canary"}, password="canary")
    assert nobody == {"reason": "no such user", "client_id": "app"}
    assert refused(**login) == ADA | {"reason": "Missing 'password' in request."}
    execute(database, "UPDATE users SET disabled = true")
    assert refused(**login, password=PASSWORD) == ADA | {"reason": "user disabled"}
    assert refused(**login, password="wrong") == ADA | {"reason": "wrong password"}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"revoked_at": 1_800_000_000 * SECOND, "revoked_reason": "reuse"}, f"revoked by reuse at {REVOKED}"),
        (
            {"revoked_at": 1_800_000_000 * SECOND, "revoked_reason": "too_many"},
            f"ended by the limit of authorizations at {REVOKED}",
        ),
        ({"idle_expires_at": 1_800_000_000 * SECOND}, f"idle for 7 days, ended at {REVOKED}"),
        (
            {"idle_expires_at": 1_800_000_000 * SECOND, "expires_at": 1_800_000_000 * SECOND},
            f"reached its absolute end at {REVOKED}",
        ),
        ({"credential_version": 5}, "password changed"),
        ({"subject": "u_disabled"}, "user disabled"),
        ({"client_id": "other"}, "refresh token of another client"),
        ({"generation": 9}, f"reuse of generation 3; 9 is newest since {REVOKED}"),
        ({"expires_at": 1_800_000_000 * SECOND + SECOND - 1}, "authorization ends within a second"),
        ({"scope": ("withdrawn",)}, "every granted scope was withdrawn from the client"),
        ({"resources": ("https://withdrawn.example",)}, "Every granted resource was withdrawn from the client."),
    ],
)
def test_reasons_of_a_genuine_refresh_token_name_its_authorization(
    refused: Any, database: Database, logins: Any, changes: Any, reason: str
) -> None:
    execute(
        database,
        "INSERT INTO users (id, username, password_hash, credential_version, disabled, created_at) "
        "SELECT 'u_disabled', 'eve', 'x', 0, true, 0",
    )
    login = logins.plant(1, **changes)
    token = logins.token(login, 3)
    assert refused(grant_type="refresh_token", client_id="app", refresh_token=token) == {
        "reason": reason,
        "client_id": "app",
        "subject": login.subject,
        "grant_id": login.id.hex(),
    }


def test_reasons_of_a_refresh_that_asks_for_more_than_is_left(refused: Any, logins: Any) -> None:
    last = logins.plant(1, generation=MAX_GENERATION)
    used_up = refused(grant_type="refresh_token", client_id="app", refresh_token=logins.token(last, MAX_GENERATION))
    assert used_up["reason"] == "generations used up"
    ask = {"grant_type": "refresh_token", "client_id": "app", "refresh_token": logins.token(logins.plant(2), 3)}
    assert refused(**ask, scope="admin")["reason"] == "invalid scope"
    unknown = refused(**ask, resource="https://unknown.example")
    assert unknown["reason"] == "A resource is unknown or was not granted."


def test_the_log_says_why_a_scope_was_refused(refused: Any) -> None:
    ask = {"grant_type": "client_credentials", "client_id": "web", "client_secret": SECRET}
    for scope, reason in (
        ("admin", "The scope exceeds what is allowed."),
        ("a" * 1025, "The scope exceeds 1024 characters."),
        ("\u00e9", "A scope contains a character that RFC 6749 s3.3 does not allow."),
    ):
        assert refused(**ask, scope=scope)["reason"] == reason


def test_reasons_of_a_refresh_token_that_is_not_genuine_name_no_authorization(refused: Any, logins: Any) -> None:
    login = logins.plant(1)
    genuine, unknown = logins.token(login, 3), logins.token(replace(login, id=bytes(16)), 3)
    forged = genuine[:-1] + ("A" if genuine[-1] != "A" else "B")
    for token, reason in [
        (forged, "forged refresh token"),
        (unknown, "no such authorization"),
        ("canary", "not a refresh token"),
    ]:
        found = refused(grant_type="refresh_token", client_id="app", refresh_token=token)
        assert found == {"client_id": "app", "reason": reason}


def basic(client_id: Any, secret: Any) -> Any:
    return {"Authorization": "Basic " + b64encode(f"{client_id}:{secret}".encode()).decode()}


def test_the_log_says_why_a_client_was_refused(refused: Any, database: Database, clock: Clock) -> None:
    ask = {"grant_type": "client_credentials"}
    assert refused(**ask, client_id="nobody") == {"client_id": "", "reason": "no such client"}
    public = refused("/introspect", client_id="app", token="x")
    assert public == {"client_id": "app", "reason": "a public client cannot introspect"}
    assert refused(**ask, client_id="web", client_secret="wrong") == {
        "client_id": "web",
        "reason": "wrong client secret",
    }
    assert refused(**ask, client_id="web")["reason"] == "registered for client_secret_post, not none"
    expired = Secret(sha256(SECRET.encode()).digest(), clock() - 1)
    add_client(database, "web", id="expired", secrets=(expired,))
    assert (
        refused(**ask, client_id="expired", client_secret=SECRET)["reason"]
        == "client secret expired at 2027-01-15T07:59:59Z"
    )
    add_client(database, "web", id="off", disabled=True)
    assert refused(**ask, client_id="off", client_secret=SECRET)["reason"] == "client disabled"
    unauthorized = refused(grant_type="client_credentials", client_id="app")
    assert unauthorized["reason"] == "client not registered for client_credentials"
    add_client(database, "app", id="public", grant_types=frozenset({"client_credentials"}))
    assert refused(**ask, client_id="public")["reason"] == "a public client cannot use client_credentials"
    assert refused(grant_type="canary", client_id="app") == {
        "client_id": "app",
        "reason": "unsupported grant type",
    }


def test_a_client_secret_that_was_sent_as_a_client_id_is_in_no_line(http: TestClient, events: list[Any]) -> None:
    """The other way round, or instead of it; in whatever place a client id can be."""
    form = {"grant_type": "client_credentials"}
    for path in ("/token", "/revoke", "/introspect"):
        http.post(path, data=form | {"client_id": SECRET, "client_secret": "web"})
        http.post(path, data=form | {"client_id": SECRET})
        http.post(path, data=form, headers=basic(SECRET, "machine"))
    http.post("/token", data={"grant_type": "unknown", "client_id": SECRET})
    refused = [entry for entry in events if entry["event"] != "client_authentication_failed"]
    assert {(entry["event"], entry["client_id"]) for entry in refused} == {("refused", "")}
    assert len(refused) == 10 and len(events) == 19 and SECRET not in str(events)


def test_login_and_revoked_carry_both_ids(
    http: TestClient, login: Callable[..., Any], events: list[Any], database: Database
) -> None:
    tokens = login()
    http.post("/revoke", data={"client_id": "app", "token": tokens["access_token"]})
    http.post("/revoke", data={"client_id": "app", "token": tokens["refresh_token"]})
    ids = ADA | {"grant_id": the_login(database)["id"].hex()}
    told = [(entry["event"], {name: entry[name] for name in ids}) for entry in events]
    assert told == [("login", ids), ("access_token_denied", ids), ("revoked", ids)]


@pytest.mark.parametrize("settings", [{"max_authorizations": 2}], indirect=True)
def test_a_login_that_the_limit_ended_is_an_event_that_names_the_new_one(
    login: Callable[..., Any], events: list[Any], clock: Clock
) -> None:
    for _ in range(4):
        login()
        clock.forward(1)
    made = [entry["grant_id"] for entry in events if entry["event"] == "login"]
    ended = [entry for entry in events if entry["event"] == "authorization_ended_by_limit"]
    assert [(entry["grant_id"], entry["new_grant_id"]) for entry in ended] == [(made[0], made[2]), (made[1], made[3])]
    assert all(ADA.items() <= entry.items() and "more than 2 authorizations" in entry["reason"] for entry in ended)


def test_a_refusal_after_a_retry_or_a_login_was_found_valid_reports_neither(
    http: TestClient, login: Callable[..., Any], refresh: Callable[..., Any], events: list[Any]
) -> None:
    token = login()["refresh_token"]
    refresh(token)
    events.clear()
    assert refresh(token, scope="admin").status_code == 400
    assert [entry["event"] for entry in events] == ["refused"]


MALFORMED = {
    "username=canary&username=canary": "A parameter is repeated.",
    "username=canary%00": "A parameter contains a NUL character.",
    "username=canary%FF": "The body is not UTF-8, or has too many fields.",
    "client_secret=canary&scope=canary": "No client id and no client authentication.",
    "client_id=app&username=canary&password=canary": "No grant_type.",
    "canary=" + "x" * 65536: "The body exceeds 64 KiB.",
}


def test_reasons_of_an_authorization_header_say_whether_it_is_the_scheme_or_what_follows(
    http: TestClient, events: list[Any]
) -> None:
    sent = ["Bearer canary", "Basic !", "Basic " + b64encode(b"canary").decode()]
    for value in sent:
        assert http.post("/token", data={"grant_type": "password"}, headers={"Authorization": value}).status_code == 401
    assert [entry["reason"] for entry in events] == [
        "No client id, and an Authorization header that is not Basic.",
        "The Authorization header cannot be decoded.",
        "The Authorization header has no client id and secret.",
    ]


def test_the_log_says_that_a_client_authenticated_twice(http: TestClient, events: list[Any]) -> None:
    form, header = {"grant_type": "password"}, ("Authorization", "Basic " + b64encode(b"web:canary").decode())
    for more, headers in (({}, [header, header]), ({"client_secret": "x"}, [header]), ({"client_id": "x"}, [header])):
        assert http.post("/token", data=form | more, headers=headers).status_code == 400
    assert [entry["reason"] for entry in events] == [
        "Two Authorization headers.",
        "Two client authentications, or two client ids.",
    ]


def test_malformed_requests_are_counted_with_their_network(
    http: TestClient, events: list[Any], from_host: Callable[[str], None]
) -> None:
    from_host("192.0.2.7")
    form, json = {"Content-Type": "application/x-www-form-urlencoded"}, {"Content-Type": "application/json"}
    for _ in range(3):
        for body in MALFORMED:
            http.post("/token", content=body, headers=form)
        http.post("/api/login", content='{"username": "canary"}', headers=json)
        http.post("/api/logout", content="canary", headers=json)
        http.get("/health/live", headers={"Host": "canary/"})
    kinds = [entry["reason"] for entry in events]
    assert len(kinds) == len(set(kinds)) == len(MALFORMED) + 3 and set(MALFORMED.values()) < set(kinds)
    http.__exit__(None, None, None)  # nothing is lost when the server ends
    http.__enter__()
    assert {entry["network"] for entry in events} == {"192.0.2.0/24"} and "canary" not in str(events)
    counts = {kind: [entry["count"] for entry in events if entry["reason"] == kind] for kind in kinds}
    assert counts == {kind: [1, 2] for kind in kinds}


def test_a_kind_of_malformed_request_is_one_line_a_minute_and_every_one_is_counted(events: list[Any]) -> None:
    malformed = MalformedRequests()
    for number in range(5):
        for network in ("192.0.2.0/24", f"198.51.100.{number}/24"):
            malformed.count("no Host", network)
        malformed.flush()
    malformed.flush()
    malformed.flush()
    malformed.count("no Host", "")
    assert [(entry["count"], entry["network"]) for entry in events] == [
        (1, "192.0.2.0/24"),
        (1, "198.51.100.0/24"),
        *((2, f"198.51.100.{number}/24") for number in range(1, 5)),
        (1, ""),
    ]
