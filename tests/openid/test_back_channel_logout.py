"""OpenID Connect Back-Channel Logout 1.0: whatever ends a session, its clients hear of it, even if they were down."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from authserver.background import INTERVALS, BackgroundTasks
from authserver.keyring.lifecycle import Lifecycle
from authserver.store import clients, schema, sessions
from tests.harness.browser import answer_of
from tests.harness.constants import ISSUER
from tests.harness.existing import existing
from tests.harness.process import free_port
from tests.harness.relying_party import PATH, RelyingParty, relying_party
from tests.openid.provider import PUBLIC, Provider, granted, provider
from tests.openid.test_id_token_hints import lifecycle
from tests.readme.blocks import ROOT
from tests.web.serving import change_client, rows

__all__ = ["lifecycle"]

HOUR = 3600
HEARS, ALSO_HEARS = "hears", "also-hears"
PAGE = ROOT / "docs" / "how-to" / "sign-out.md"


@pytest.fixture(scope="module")
def op(template: Path, tmp_path_factory: pytest.TempPathFactory, password_hash: str) -> Iterator[Provider]:
    """A server that may send requests to this machine, does so when it is told to, and lets each user have three
    sessions."""
    folder = tmp_path_factory.mktemp("told")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(INTERVALS, "deliver_outbox", HOUR)
        with provider(template, folder, password_hash, fetch_allow="127.0.0.1", max_sessions=3) as op:
            with op.database.begin() as connection:
                for id in (HEARS, ALSO_HEARS):
                    clients.add(connection, replace(PUBLIC, id=id, first_party=True))
            yield op


@contextmanager
def listening(op: Provider, client_id: str = HEARS, port: int = 0) -> Iterator[RelyingParty]:
    def jwks() -> Any:
        return op.http.get("/.well-known/jwks.json").json()

    with relying_party(ISSUER, client_id, jwks, lambda: op.clock() // 1_000_000, port) as party:
        yield party


@pytest.fixture
def party(op: Provider) -> Iterator[RelyingParty]:
    """The client's server; what another test left in the outbox does not come to it."""
    with op.database.begin() as connection:
        connection.execute(schema.outbox.delete())
    with listening(op) as party:
        change_client(op.database, HEARS, backchannel_logout_uri=party.uri)
        later(op, 6)  # until no process has the client as it was before
        yield party


def deliver(op: Provider) -> None:
    """Send what is due, without waiting until the server does by itself."""

    async def send(tasks: BackgroundTasks) -> None:
        await tasks.deliver_outbox()
        await tasks.outbox.finish()

    existing(op.server.http.portal).call(send, op.server.tasks)


def later(op: Provider, seconds: int) -> None:
    """Time passes, and the server has read its keys again."""
    op.clock.forward(seconds)
    existing(op.server.http.portal).call(op.server.tasks.read_keys)


class Visit:
    """A browser in which a user signed in to the client, which has redeemed its code."""

    def __init__(self, op: Provider, username: str = "ada", client_id: str = HEARS, **request: Any) -> None:
        self.op, self.browser = op, op.signed_in(username, client_id=client_id, **request)
        code = self.browser.code(client_id=client_id, **request)
        self.tokens = granted(op.redeem(code, client_id=client_id))
        self.hint = self.tokens.get("id_token", "")
        self.sid = op.claims(self.hint)["sid"] if self.hint else ""

    def sign_out(self) -> None:
        self.browser.get(f"/logout?{urlencode({'id_token_hint': self.hint})}")


def by_an_id_token(visit: Visit) -> None:
    visit.sign_out()


def by_the_page_that_asks(visit: Visit) -> None:
    visit.browser.submit(visit.browser.get("/logout"), answer="sign-out")


def by_an_operator(visit: Visit) -> None:
    change = sessions.end(bytes.fromhex(visit.sid))
    with visit.op.database.begin() as connection:
        assert change.apply(connection, [change.params], visit.op.clock()) == [True]


def by_another_user(visit: Visit) -> None:
    visit.browser.sign_in(visit.browser.authorize(prompt="login"), username="bob")


def by_the_limit(visit: Visit) -> None:
    visit.op.clock.forward(1)
    for _ in range(3):
        visit.op.signed_in()


@pytest.mark.parametrize("end", [by_an_id_token, by_the_page_that_asks, by_an_operator, by_another_user, by_the_limit])
def test_s2_5_whatever_ends_a_session_its_client_hears_of_it_once(
    op: Provider, party: RelyingParty, end: Callable[[Visit], None]
) -> None:
    visit = Visit(op)
    Visit(op, "bob", client_id="sso")  # who is not concerned
    deliver(op)
    assert party.tokens == []
    end(visit)
    deliver(op)
    deliver(op)
    assert party.ended == [visit.sid]
    assert party.verified(party.tokens[0])["sub"] == "u_ada"


def test_a_client_that_registers_its_uri_later_hears_of_sessions_from_before(op: Provider, party: RelyingParty) -> None:
    change_client(op.database, HEARS, backchannel_logout_uri="")
    later(op, 6)
    visit = Visit(op)
    change_client(op.database, HEARS, backchannel_logout_uri=party.uri)
    visit.sign_out()
    deliver(op)
    assert party.ended == [visit.sid]


def test_every_client_of_the_session_hears_of_it_whatever_became_of_its_authorization(
    op: Provider, party: RelyingParty
) -> None:
    with listening(op, ALSO_HEARS) as also:
        change_client(op.database, ALSO_HEARS, backchannel_logout_uri=also.uri)
        later(op, 6)
        visit = Visit(op)
        code = visit.browser.code(client_id=ALSO_HEARS)
        token = granted(op.redeem(code, client_id=ALSO_HEARS))["refresh_token"]
        op.http.post("/revoke", data={"client_id": ALSO_HEARS, "token": token})
        visit.sign_out()
        deliver(op)
        assert (party.ended, also.ended) == ([visit.sid], [visit.sid])


def test_a_client_hears_of_offline_access_too_and_not_without_openid(op: Provider, party: RelyingParty) -> None:
    offline = Visit(op, scope="openid offline_access")
    offline.sign_out()
    deliver(op)
    assert party.ended == [offline.sid]
    assert op.refresh(offline.tokens["refresh_token"], client_id=HEARS).status_code == 200
    other = Visit(op, scope="read")
    by_the_page_that_asks(other)
    deliver(op)
    assert party.ended == [offline.sid]


def test_a_client_that_fails_for_an_hour_hears_of_it_when_it_works_again(op: Provider, party: RelyingParty) -> None:
    party.status = 503
    visit = Visit(op)
    visit.sign_out()
    for _ in range(60):
        deliver(op)
        later(op, 60)
    assert party.ended == [] and len(party.tokens) > 5
    party.status = 200
    later(op, 600)
    deliver(op)
    assert party.ended == [visit.sid]


@pytest.mark.parametrize(
    ("status", "failure"),
    [
        (200, ""),
        (204, ""),
        (299, ""),
        (300, "The response has status 300. Redirects are not followed."),
        (400, "The response has status 400."),
    ],
)
def test_s2_8_a_client_has_heard_of_it_if_it_answers_200_or_204_or_with_another_success(
    op: Provider, party: RelyingParty, status: int, failure: str
) -> None:
    """s2.8: if the logout succeeded, the RP MUST respond with HTTP 200 OK; OPs should also process a 204."""
    party.status = status
    Visit(op).sign_out()
    deliver(op)
    [message] = rows(op.database, "outbox")
    assert (message["is_delivered"], message["reason"]) == (not failure, failure)


def test_s2_4_a_logout_token_waits_for_the_first_key_of_the_clients_algorithm(
    op: Provider, party: RelyingParty, lifecycle: Lifecycle
) -> None:
    """As an ID token does: the key of no other algorithm signs in its place."""
    visit = Visit(op)
    change_client(op.database, HEARS, id_token_alg="ES256")
    try:
        lifecycle.run_due()
        later(op, 6)
        visit.sign_out()
        deliver(op)
        assert party.tokens == []
        lifecycle.promote("ES256", emergency=True)
        later(op, 60)
        deliver(op)
    finally:
        change_client(op.database, HEARS, id_token_alg="RS256")
    assert party.ended == [visit.sid]
    assert jws.extract_compact(party.tokens[0].encode()).headers()["alg"] == "ES256"


def test_a_client_that_is_down_for_an_hour_hears_of_it_when_it_is_back(op: Provider) -> None:
    port = free_port()
    change_client(op.database, HEARS, backchannel_logout_uri=f"http://127.0.0.1:{port}{PATH}")
    later(op, 6)
    visit = Visit(op)
    visit.sign_out()
    deliver(op)
    later(op, HOUR)
    with listening(op, port=port) as party:
        deliver(op)
        assert party.ended == [visit.sid]


def test_a_client_without_a_uri_is_told_nothing_and_one_that_took_it_back_is_sent_nothing(
    op: Provider, party: RelyingParty
) -> None:
    Visit(op, client_id="sso").sign_out()
    assert rows(op.database, "outbox") == []
    visit = Visit(op)
    visit.sign_out()
    change_client(op.database, HEARS, backchannel_logout_uri="")
    deliver(op)
    assert party.tokens == []
    (message,) = [row for row in rows(op.database, "outbox") if row["session_id"] == bytes.fromhex(visit.sid)]
    assert message["finished_at"] and not message["is_delivered"] and "any more" in message["reason"]


def test_nothing_that_is_stored_can_be_presented_and_each_attempt_makes_a_new_token(
    op: Provider, party: RelyingParty
) -> None:
    party.status = 400
    visit = Visit(op)
    visit.sign_out()
    deliver(op)
    later(op, 60)
    deliver(op)
    assert len(set(party.tokens)) == len(party.tokens) >= 2
    assert "eyJ" not in repr([row for row in rows(op.database, "outbox") if row["client_id"] == HEARS])
    party.status = 200
    later(op, 600)
    deliver(op)


def test_s4_1_a_logout_token_is_no_other_token(op: Provider, party: RelyingParty) -> None:
    Visit(op).sign_out()
    deliver(op)
    (token,) = party.tokens
    assert op.userinfo(token).status_code == 401
    assert op.refresh(token, client_id=HEARS).status_code == 400
    visit = Visit(op)
    assert 'id="sign-out"' in visit.browser.get(f"/logout?{urlencode({'id_token_hint': token})}").text
    answer = answer_of(op.signed_in("bob").authorize(prompt="none", id_token_hint=token))
    assert answer["error"] == "login_required"
    visit.sign_out()


def test_the_code_of_the_documentation_accepts_a_logout_token_and_nothing_else(
    op: Provider, party: RelyingParty, monkeypatch: pytest.MonkeyPatch
) -> None:
    visit = Visit(op)
    visit.sign_out()
    deliver(op)
    [code] = re.findall(r"```python\n(# logout_token.py\n.*?)```", PAGE.read_text(), re.DOTALL)
    module: dict[str, Any] = {}
    exec(code, module)
    monkeypatch.setattr(time, "time", lambda: op.clock() / 1e6)
    keys = KeySet.import_key_set(op.http.get("/.well-known/jwks.json").json())
    session_of: Callable[..., str] = module["session_of"]
    assert session_of(party.tokens[-1], keys, ISSUER, HEARS) == visit.sid
    for token, client_id in ((visit.hint, HEARS), (visit.tokens["access_token"], HEARS), (party.tokens[-1], "sso")):
        with pytest.raises((JoseError, ValueError)):
            session_of(token, keys, ISSUER, client_id)
    monkeypatch.setattr(time, "time", lambda: op.clock() / 1e6 + 121)
    with pytest.raises(JoseError):
        session_of(party.tokens[-1], keys, ISSUER, HEARS)
