"""Scopes and RFC 8707: what a token may be good for, asked for at login and at refresh."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from authserver.store.database import Database
from tests.harness.clock import Clock
from tests.harness.constants import AUDIENCE, ISSUER, PASSWORD
from tests.harness.sample_database import as_client
from tests.web.answers import INVALID_GRANT, INVALID_SCOPE, INVALID_TARGET, assert_granted, assert_refused, claims_of
from tests.web.serving import LocalServer, change_client, everything, the_login

OTHER = "https://other.example"


def asked_of(shared: Any, scope: Any) -> Any:
    return shared.http.post("/token", data=as_client("web") | {"grant_type": "client_credentials", "scope": scope})


@pytest.mark.parametrize(
    "scope",
    ["admin", "read admin", "READ", "read\twrite", "read\u00a0write", "read\u2003write", 'read"', "read\\", "é"]
    + ["read,write", "read\r\nwrite", "\x1b[31m"],
)
def test_scope_that_the_client_may_not_have(shared: LocalServer, scope: Any) -> None:
    assert_refused(asked_of(shared, scope), INVALID_SCOPE)


@pytest.mark.parametrize("scope", ["read" + " " * 1021, "x" * 50_000, " ".join(f"s{number}" for number in range(1000))])
def test_a_scope_of_50_kb_and_one_of_1000_words_are_refused(shared: LocalServer, scope: Any) -> None:
    """In 5 ms, and what the test's own client adds: by the processor's time, of which others take none."""

    def seconds() -> Any:
        began = time.process_time()
        assert_refused(asked_of(shared, scope), INVALID_SCOPE)
        return time.process_time() - began

    assert min(seconds() for _ in range(5)) < 0.05


@pytest.mark.parametrize(
    ("scope", "granted"),
    [("read read", "read"), ("write read write", "write read"), (" read  write ", "read write"), (" ", "read write")],
)
def test_duplicate_scopes_collapse_in_their_order(shared: LocalServer, scope: str, granted: str) -> None:
    answer = assert_granted(asked_of(shared, scope))
    assert answer["scope"] == claims_of(answer)["scope"] == granted


def test_rfc6749_3_3_without_a_scope_the_client_gets_all_of_its_own(shared: LocalServer) -> None:
    assert assert_granted(asked_of(shared, ""))["scope"] == "read write"


def test_a_refresh_cannot_widen_the_scope(
    login: Callable[..., Any], refresh: Callable[..., Any], database: Database
) -> None:
    first = login(scope="read")["refresh_token"]
    before = everything(database)
    assert_refused(refresh(first, scope="read write"), INVALID_SCOPE)
    assert_refused(refresh(first, scope="read é"), INVALID_SCOPE)
    assert everything(database) == before
    assert assert_granted(refresh(first))["scope"] == "read"


def test_rfc6749_6_narrower_scope_at_refresh_does_not_stick(
    login: Callable[..., Any], refresh: Callable[..., Any], database: Database
) -> None:
    first = login()["refresh_token"]
    narrowed = assert_granted(refresh(first, scope="write"))
    assert narrowed["scope"] == claims_of(narrowed)["scope"] == "write"
    assert the_login(database)["scope"] == "read write"
    assert assert_granted(refresh(narrowed["refresh_token"]))["scope"] == "read write"


def test_a_scope_withdrawn_from_the_client_leaves_the_answer(
    login: Callable[..., Any], refresh: Callable[..., Any], database: Database, clock: Clock
) -> None:
    text = login()["refresh_token"]
    change_client(database, "app", scope=("write", "new"))
    clock.forward(5)
    assert_refused(refresh(text, scope="read"), INVALID_SCOPE)
    answer = assert_granted(refresh(text))
    assert answer["scope"] == claims_of(answer)["scope"] == "write"
    change_client(database, "app", scope=("read", "write"))
    clock.forward(5)
    assert assert_granted(refresh(answer["refresh_token"]))["scope"] == "read write"


def test_no_granted_scope_is_left(
    login: Callable[..., Any], refresh: Callable[..., Any], database: Database, clock: Clock
) -> None:
    text = login()["refresh_token"]
    change_client(database, "app", scope=("new",))
    clock.forward(5)
    before = everything(database)
    assert_refused(refresh(text), INVALID_GRANT)
    assert everything(database) == before


def test_rfc8707_2_the_default_audience_is_the_clients_first(
    login: Callable[..., Any], refresh: Callable[..., Any]
) -> None:
    answer = login()
    assert claims_of(answer)["aud"] == AUDIENCE
    assert claims_of(assert_granted(refresh(answer["refresh_token"])))["aud"] == AUDIENCE


def test_a_client_without_audiences_gets_tokens_for_the_servers_own_interface(
    login: Callable[..., Any], database: Database
) -> None:
    change_client(database, "app", audiences=())
    assert claims_of(login())["aud"] == f"{ISSUER}/api"


@pytest.mark.parametrize(
    "resource", ["https://unknown.example", "https://API.example", f"{AUDIENCE}/", "api.example", "é", ISSUER]
)
@pytest.mark.parametrize("grant", ["password", "refresh_token"])
def test_rfc8707_2_an_unknown_resource_is_an_invalid_target(
    token: Callable[..., Any], login: Callable[..., Any], database: Database, grant: str, resource: Any
) -> None:
    text = login()["refresh_token"]
    before = everything(database)
    form = {"username": "ada", "password": PASSWORD, "refresh_token": text}
    assert_refused(token(grant, **form, resource=resource), INVALID_TARGET)
    assert_refused(token("client_credentials", "web", resource=resource), INVALID_TARGET)
    assert everything(database) == before


def test_rfc8707_2_one_unknown_resource_among_several_is_an_invalid_target(token: Callable[..., Any]) -> None:
    form = {"username": "ada", "password": PASSWORD, "resource": [AUDIENCE, "https://unknown.example"]}
    assert_refused(token("password", **form), INVALID_TARGET)


def test_rfc8707_2_2_resources_of_a_login_bind_its_refreshes(
    login: Callable[..., Any], refresh: Callable[..., Any]
) -> None:
    answer = login(resource=OTHER)
    assert claims_of(answer)["aud"] == OTHER
    answer = assert_granted(refresh(answer["refresh_token"]))
    assert claims_of(answer)["aud"] == OTHER
    assert_refused(refresh(answer["refresh_token"], resource=AUDIENCE), INVALID_TARGET)  # was not granted


def test_rfc8707_2_2_a_refresh_may_ask_for_one_of_several(
    login: Callable[..., Any], refresh: Callable[..., Any]
) -> None:
    answer = login(resource=[OTHER, AUDIENCE])
    assert claims_of(answer)["aud"] == [OTHER, AUDIENCE]
    answer = assert_granted(refresh(answer["refresh_token"], resource=AUDIENCE))
    assert claims_of(answer)["aud"] == AUDIENCE
    assert claims_of(assert_granted(refresh(answer["refresh_token"])))["aud"] == [OTHER, AUDIENCE]


def test_rfc8707_2_2_a_login_bound_to_nothing_may_ask_for_any_of_the_clients(
    login: Callable[..., Any], refresh: Callable[..., Any]
) -> None:
    assert claims_of(assert_granted(refresh(login()["refresh_token"], resource=OTHER)))["aud"] == OTHER


def test_a_resource_that_was_withdrawn_from_the_client_is_an_invalid_target(
    login: Callable[..., Any], refresh: Callable[..., Any], database: Database, clock: Clock
) -> None:
    both, one = login(resource=[OTHER, AUDIENCE])["refresh_token"], login(resource=OTHER)["refresh_token"]
    change_client(database, "app", audiences=(AUDIENCE,))
    clock.forward(5)
    before = everything(database)
    assert_refused(refresh(one), INVALID_TARGET)
    assert_refused(refresh(both, resource=OTHER), INVALID_TARGET)
    assert everything(database) == before
    assert claims_of(assert_granted(refresh(both)))["aud"] == AUDIENCE


def test_a_failing_signer_leaves_nothing_changed(
    login: Callable[..., Any],
    refresh: Callable[..., Any],
    database: Database,
    events: list[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Sign comes before commit: the one way to a 500 is a defect, and it tells its caller an id and nothing else."""
    text = login()["refresh_token"]
    before = everything(database)

    def fails(*_: Any) -> None:
        raise RuntimeError("rt_secret detail of the signer")

    with monkeypatch.context() as patch:
        patch.setattr("authserver.keyring.Keyring.sign", fails)
        answer = refresh(text)
    assert (answer.status_code, answer.json()["error"]) == (500, "server_error")
    assert "detail of the signer" not in answer.text
    assert [entry["path"] for entry in events if entry["event"] == "failed"] == ["/token"]
    assert everything(database) == before
    assert_granted(refresh(text))


def test_audience_is_another_name_of_resource(login: Callable[..., Any]) -> None:
    """Auth0's clients send it."""
    assert claims_of(login("app", audience=OTHER))["aud"] == OTHER
    assert claims_of(login("app", audience=OTHER, resource=OTHER))["aud"] == OTHER
    assert claims_of(login("app", audience=OTHER, resource=AUDIENCE))["aud"] == [OTHER, AUDIENCE]


def test_an_audience_that_the_client_does_not_have_is_an_invalid_target(token: Callable[..., Any]) -> None:
    for audience in ("https://nobody.example", "api"):
        asked = token("password", username="ada", password=PASSWORD, audience=audience)
        assert_refused(asked, INVALID_TARGET)


def test_an_audience_binds_the_login_as_a_resource_does(login: Callable[..., Any], refresh: Callable[..., Any]) -> None:
    text = login("app", audience=OTHER)["refresh_token"]
    assert claims_of(refresh(text).json())["aud"] == OTHER
    assert_refused(refresh(text, audience=AUDIENCE), INVALID_TARGET)
