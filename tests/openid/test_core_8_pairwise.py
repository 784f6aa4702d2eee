"""OpenID Connect Core 1.0 s8: pairwise subjects, which no two sectors can compare, in every token alike."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from authserver.domain.client_kinds import KINDS
from authserver.domain.models import Client
from authserver.provisioning import lifecycle
from authserver.store import clients
from tests.harness.browser import CALLBACK, answer_of
from tests.harness.constants import ISSUER, SECRET
from tests.harness.device import Device
from tests.harness.relying_party import relying_party
from tests.openid.provider import BYE, CONFIDENTIAL, NO_PKCE, OTHER, PUBLIC, Provider, granted, provider
from tests.web.serving import change_client, rows, wait_until

PAIRWISE = replace(PUBLIC, id="pairwise", subject_type="pairwise", first_party=True)
SAME = replace(PAIRWISE, id="same", redirect_uris=(CALLBACK, "https://client.example/other"))
ELSEWHERE = replace(PAIRWISE, id="elsewhere", sector_identifier_uri="https://elsewhere.example/uris.json")
API = replace(CONFIDENTIAL, id="api", subject_type="pairwise", first_party=True)
TV = Client(
    id="tv",
    name="TV",
    auth_method="none",
    grant_types=KINDS["device"].grant_types,
    scope=KINDS["device"].scope,
    audiences=PUBLIC.audiences,
    application_type="native",
    subject_type="pairwise",
    sector_identifier_uri=ELSEWHERE.sector_identifier_uri,
)
CLIENTS = (PAIRWISE, SAME, ELSEWHERE, API, TV, replace(PUBLIC, id="known", first_party=True))


@pytest.fixture(scope="module")
def op(template: Path, tmp_path_factory: pytest.TempPathFactory, password_hash: str) -> Iterator[Provider]:
    """The key is made while the server runs, which reads it when it needs it."""
    with provider(template, tmp_path_factory.mktemp("pairwise"), password_hash, fetch_allow="127.0.0.1") as op:
        with op.database.begin() as connection:
            for client in CLIENTS:
                clients.add(connection, client)
        lifecycle(op.server.settings, op.database, op.clock).create_subject_key()
        yield op


def tokens(op: Provider, client_id: str = "pairwise", username: str = "ada", **request: Any) -> dict[str, Any]:
    code = op.signed_in(username, client_id=client_id, **request).code(client_id=client_id, **request)
    return granted(op.redeem(code, client_id=client_id))


def subject(op: Provider, client_id: str = "pairwise", username: str = "ada") -> str:
    return str(op.claims(tokens(op, client_id, username)["id_token"])["sub"])


def test_8_1_a_user_has_one_subject_in_each_sector_and_another_elsewhere(op: Provider) -> None:
    here, again, same, elsewhere = (subject(op, id) for id in ("pairwise", "pairwise", "same", "elsewhere"))
    assert here == again == same
    assert len({here, elsewhere, subject(op, username="bob"), "u_ada"}) == 4
    assert subject(op, "known") == "u_ada"
    assert len(here) == 43 and here.isascii()


def test_8_1_the_host_of_the_sector_identifier_uri_is_the_sector(op: Provider) -> None:
    before = subject(op, "elsewhere")
    change_client(op.database, "elsewhere", sector_identifier_uri="https://elsewhere.example/other.json")
    op.later(6)
    assert subject(op, "elsewhere") == before


def test_8_every_token_and_answer_names_the_user_alike(op: Provider) -> None:
    request: dict[str, Any] = {"client_id": "api", **NO_PKCE}
    code = op.signed_in(**request).code(**request)
    secret = {"client_id": "api", "client_secret": SECRET}
    body = granted(op.redeem(code, code_verifier=None, **secret))
    again = granted(op.refresh(body["refresh_token"], **secret))

    def introspected(token: str) -> Any:
        return op.http.post("/introspect", data=secret | {"token": token}).json()

    told = [op.claims(each[name]) for each in (body, again) for name in ("id_token", "access_token")]
    told += [op.userinfo(again["access_token"]).json()]
    told += [introspected(again[name]) for name in ("access_token", "refresh_token")]
    assert {each["sub"] for each in told} == {subject(op)}, "it is of the same sector"
    assert not any("u_ada" in json.dumps(each) for each in told)
    assert all("username" not in each and each.get("active", True) for each in told)


def test_8_a_device_knows_the_user_by_the_subject_of_its_sector(op: Provider) -> None:
    body = granted(Device(op.http, "tv", scope="openid offline_access").allowed(op.browser()).poll())
    again = granted(op.refresh(body["refresh_token"], client_id="tv"))
    told = [op.claims(each[name]) for each in (body, again) for name in ("id_token", "access_token")]
    told += [op.userinfo(again["access_token"]).json()]
    assert {each["sub"] for each in told} == {subject(op, "elsewhere")}, "it is of the same sector"
    assert not any("u_ada" in json.dumps(each) for each in told)


def test_no_two_sectors_can_tell_that_it_is_one_session(op: Provider) -> None:
    browser = op.signed_in(client_id="pairwise")
    sids = [
        op.claims(granted(op.redeem(browser.code(client_id=id), client_id=id))["id_token"])["sid"]
        for id in ("pairwise", "same", "elsewhere", "known")
    ]
    assert sids[0] == sids[1] and len(set(sids)) == 3
    assert sids[3] in {row["id"].hex() for row in rows(op.database, "sessions")}


def test_3_1_2_1_an_id_token_hint_names_the_user_of_the_sector(op: Provider) -> None:
    browser = op.signed_in(client_id="pairwise")
    hints = {id: tokens(op, id)["id_token"] for id in ("pairwise", "same", "elsewhere", "known")}

    def asked(client_id: str, hint: str) -> dict[str, str]:
        return answer_of(browser.authorize(client_id=client_id, prompt="none", id_token_hint=hints[hint]))

    assert "code" in asked("pairwise", "pairwise") and "code" in asked("pairwise", "same")
    for client_id, hint in (("pairwise", "elsewhere"), ("pairwise", "known"), ("known", "pairwise")):
        assert asked(client_id, hint)["error"] == "login_required", "it would tell one sector whom another knows"
    bob = tokens(op, username="bob")["id_token"]
    page = browser.authorize(client_id="pairwise", id_token_hint=bob)
    assert answer_of(browser.sign_in(page, username="bob"), CALLBACK).get("code")


@pytest.mark.parametrize("known", [True, False])
def test_5_5_1_the_sub_that_is_asked_for_is_that_of_the_sector(op: Provider, known: bool) -> None:
    browser = op.signed_in(client_id="pairwise")
    sub = subject(op) if known else "u_ada"
    claims = json.dumps({"id_token": {"sub": {"value": sub}}})
    answer = answer_of(browser.authorize(client_id="pairwise", prompt="none", claims=claims))
    assert ("code" in answer) == known


def test_rp_initiated_logout_2_an_id_token_of_the_session_ends_it_at_once(op: Provider) -> None:
    browser = op.signed_in(client_id="pairwise")
    body = granted(op.redeem(browser.code(client_id="pairwise"), client_id="pairwise"))
    request = {"id_token_hint": body["id_token"], "post_logout_redirect_uri": BYE, "state": "s"}
    hints = {"logout_hint": op.claims(body["id_token"])["sub"]}
    assert 'id="sign-out"' in browser.get(f"/logout?{urlencode(request | {'logout_hint': 'u_ada'})}").text
    response = browser.get(f"/logout?{urlencode(request | hints)}")
    assert response.headers["location"] == f"{BYE}&state=s"


def test_back_channel_logout_2_4_the_logout_token_names_them_as_the_id_token_does(op: Provider) -> None:
    def jwks() -> Any:
        return op.http.get("/.well-known/jwks.json").json()

    with relying_party(ISSUER, "pairwise", jwks, lambda: op.clock() // 1_000_000) as party:
        change_client(op.database, "pairwise", backchannel_logout_uri=party.uri)
        op.later(6)
        browser = op.signed_in(client_id="pairwise")
        hint = granted(op.redeem(browser.code(client_id="pairwise"), client_id="pairwise"))["id_token"]
        browser.get(f"/logout?{urlencode({'id_token_hint': hint})}")
        wait_until(lambda: bool(party.tokens))
        told, named = op.claims(party.tokens[0]), op.claims(hint)
    change_client(op.database, "pairwise", backchannel_logout_uri="")
    assert (told["sub"], told["sid"]) == (named["sub"], named["sid"])


def test_operators_know_users_by_their_id(op: Provider) -> None:
    body = tokens(op)
    for name in ("access_token", "refresh_token"):
        assert op.http.post("/revoke", data={"client_id": "pairwise", "token": body[name]}).status_code == 200
    told = {row["event"]: row["subject"] for row in rows(op.database, "events") if row["client_id"] == "pairwise"}
    assert told["access_token_denied"] == told["revoked"] == "u_ada"
    assert {row["subject"] for row in rows(op.database, "authorizations")} <= {"u_ada", "u_bob"}
    assert subject(op) not in str([rows(op.database, name) for name in ("events", "sessions", "consents")])


def test_a_client_changes_its_subjects_with_its_type(op: Provider) -> None:
    changed: Client = replace(OTHER, id="changed", first_party=True)
    with op.database.begin() as connection:
        clients.add(connection, changed)
    assert subject(op, "changed") == "u_ada"
    change_client(op.database, "changed", subject_type="pairwise", redirect_uris=(CALLBACK,))
    op.later(6)
    assert subject(op, "changed") == subject(op)
