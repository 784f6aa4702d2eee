"""POST /revoke (RFC 7009): both kinds of tokens, other clients' tokens, and hints that are wrong."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from authserver.store.database import Database
from tests.harness.clock import Clock
from tests.harness.constants import SECOND
from tests.harness.sample_database import as_client
from tests.web.answers import INVALID_CLIENT, INVALID_GRANT, assert_done, assert_granted, assert_refused, claims_of
from tests.web.serving import everything, rows, the_login


@pytest.fixture
def revoke(http: TestClient) -> Callable[..., Any]:
    """`revoke(text)` as the client app."""
    return lambda text, client_id="app", **more: http.post(
        "/revoke", data=as_client(client_id) | {"token": text} | more
    )


def reported(events: Any) -> Any:
    return [(entry["event"], entry["log_level"]) for entry in events if entry["event"] != "refused"]


@pytest.mark.parametrize("client_id", ["app", "web"])
def test_rfc7009_public_and_confidential_clients_revoke_their_refresh_token(
    login: Callable[..., Any],
    revoke: Any,
    refresh: Callable[..., Any],
    database: Database,
    clock: Clock,
    events: list[Any],
    client_id: str,
) -> None:
    text = login(client_id)["refresh_token"]
    events.clear()
    clock.forward(3)
    assert_done(revoke(text, client_id))
    assert (the_login(database)["revoked_reason"], the_login(database)["revoked_at"]) == ("revoked", clock())
    assert reported(events) == [("revoked", "info")]
    assert_refused(refresh(text, client_id), INVALID_GRANT)


@pytest.mark.thorough
@pytest.mark.parametrize("generation", [0, 1, 2, 3])
@pytest.mark.parametrize("passed", [0, 100])
def test_any_generation_ends_the_login_and_is_no_reuse(
    rotated: Callable[..., list[str]],
    revoke: Any,
    refresh: Callable[..., Any],
    database: Database,
    events: list[Any],
    later: Callable[[float], None],
    generation: int,
    passed: int,
) -> None:
    tokens = rotated(3)
    later(passed)
    assert_done(revoke(tokens[generation]))
    assert the_login(database)["revoked_reason"] == "revoked"
    assert "refresh_token_reused" not in [entry["event"] for entry in events]
    for text in tokens:
        assert_refused(refresh(text), INVALID_GRANT)


def test_revoking_twice_changes_nothing_more(
    login: Callable[..., Any], revoke: Any, database: Database, clock: Clock
) -> None:
    text = login()["refresh_token"]
    assert_done(revoke(text))
    before = everything(database)
    clock.forward(5)
    assert_done(revoke(text))
    assert everything(database) == before


@pytest.mark.parametrize("hint", ["refresh_token", "access_token", "unknown", "", "é"])
@pytest.mark.parametrize("kind", ["refresh_token", "access_token"])
def test_rfc7009_2_1_unknown_and_wrong_hints_do_not_matter(
    login: Callable[..., Any], revoke: Any, database: Database, kind: str, hint: str
) -> None:
    assert_done(revoke(login()[kind], token_type_hint=hint))
    ended = the_login(database)["revoked_at"] is not None
    assert (ended, len(rows(database, "denied_tokens"))) == ((True, 0) if kind == "refresh_token" else (False, 1))


def test_another_clients_tokens_are_not_revoked(
    login: Callable[..., Any], revoke: Any, refresh: Callable[..., Any], database: Database
) -> None:
    answer = login()
    before = everything(database)
    for kind in ("refresh_token", "access_token"):
        assert_refused(revoke(answer[kind], "other"), INVALID_GRANT)
        assert_refused(revoke(answer[kind], "web"), INVALID_GRANT)
    assert everything(database) == before
    assert_granted(refresh(answer["refresh_token"]))


def test_a_client_with_a_secret_cannot_revoke_without_it(
    http: TestClient, login: Callable[..., Any], database: Database
) -> None:
    text = login("web")["refresh_token"]
    before = everything(database)
    assert_refused(http.post("/revoke", data={"client_id": "web", "token": text}), INVALID_CLIENT)
    assert_refused(http.post("/revoke", data={"client_id": "web", "client_secret": "x", "token": text}), INVALID_CLIENT)
    assert_refused(http.post("/revoke", data={"token": text}), INVALID_CLIENT)
    assert everything(database) == before


def spoiled(text: Any) -> Iterator[Any]:
    """Of an access token: another payload, another signature, another header."""
    header, payload, signature = text.split(".")
    yield f"{header}.{payload}.{'A' * len(signature)}"
    yield f"{header}.{payload}."
    yield from (f"{header}.{payload}.{signature[:-cut]}" for cut in (1, 2, 3))
    yield f"{header}.{payload[:-4]}.{signature}"
    yield f"{header}..{signature}"
    yield f"{header}.{payload}"
    yield f"{header}.{payload}.{signature}.x"
    yield f"{header}.\u00e9.{signature}"
    yield f"eyJhbGciOiJub25lIn0.{payload}."


def test_rfc7009_2_2_unknown_tokens_are_200(
    login: Callable[..., Any], revoke: Any, rotated: Callable[..., list[str]], database: Database
) -> None:
    (text,) = rotated(0)
    answer = login()
    before = everything(database)
    for unknown in (
        "x",
        "rt_",
        text[:-1],
        text + "A",
        text.swapcase(),
        "rt_" + "A" * 72,
        *spoiled(answer["access_token"]),
    ):
        assert_done(revoke(unknown))
    assert everything(database) == before


def test_an_access_token_is_denied_until_it_expires(
    login: Callable[..., Any], revoke: Any, refresh: Callable[..., Any], database: Database, events: list[Any]
) -> None:
    answer = login()
    events.clear()
    assert_done(revoke(answer["access_token"]))
    claims = claims_of(answer)
    assert rows(database, "denied_tokens") == [{"jti": claims["jti"], "expires_at": claims["exp"] * SECOND}]
    assert reported(events) == [("access_token_denied", "info")]
    assert (events[0]["jti"], events[0]["grant_id"]) == (claims["jti"], claims["grant_id"])
    assert_done(revoke(answer["access_token"]))
    assert len(rows(database, "denied_tokens")) == 1
    assert_granted(refresh(answer["refresh_token"]))  # the login goes on


def test_a_clients_own_access_token_is_denied(
    token: Callable[..., Any], revoke: Any, database: Database, events: list[Any]
) -> None:
    answer = assert_granted(token("client_credentials", "web"))
    assert_done(revoke(answer["access_token"], "web"))
    assert [row["jti"] for row in rows(database, "denied_tokens")] == [claims_of(answer)["jti"]]
    assert events[-1]["subject"] == "web" and "grant_id" not in events[-1]


def test_an_expired_access_token_needs_no_denial(
    login: Callable[..., Any], revoke: Any, database: Database, later: Callable[[float], None]
) -> None:
    text = login()["access_token"]
    later(900)
    assert_done(revoke(text))
    assert rows(database, "denied_tokens") == []


def test_a_login_that_is_over_can_be_revoked(
    login: Callable[..., Any], revoke: Any, later: Callable[[float], None]
) -> None:
    text = login()["refresh_token"]
    later(31 * 86400)
    assert_done(revoke(text))
