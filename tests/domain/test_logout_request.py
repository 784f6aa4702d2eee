"""RP-Initiated Logout 1.0: which requests end a session at once, which ask first, and where the browser may go."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authserver.domain.authorization_request import MAX_VALUE, Parameters
from authserver.domain.id_token import Hint
from authserver.domain.logout_request import Return, client_id_of, return_of, why_ask
from authserver.domain.models import Client, User
from tests.harness.sign_in_rows import session

BYE = "https://app.example/bye?a=b"
CLIENT = Client("app", "App", "none", frozenset(), (), post_logout_redirect_uris=(BYE, "com.example.app:/bye"))
SESSION, ADA = session(1, 0), User("u_ada", "ada", "")
HINT = Hint("app", "u_ada", SESSION.id.hex())


def parameters(repeated: Any = (), malformed: Any = (), **values: str) -> Parameters:
    return Parameters(values, (), frozenset(repeated), frozenset(malformed))


ASKED = {"post_logout_redirect_uri": BYE, "state": "a state"}


def test_s3_an_exactly_registered_uri_is_returned_to_with_the_state_as_it_came() -> None:
    assert return_of(parameters(**ASKED), HINT, CLIENT) == Return(BYE, "a state")
    assert return_of(parameters(post_logout_redirect_uri=BYE), HINT, CLIENT) == Return(BYE, None)
    assert return_of(parameters(post_logout_redirect_uri=BYE, state="\udcff"), HINT, CLIENT) == Return(BYE, "\udcff")


@pytest.mark.parametrize(
    "uri",
    [
        *("", BYE + "&c=d", BYE[:-1], BYE + "#", BYE.upper(), BYE + " ", "https://app.example/bye"),
        *("https://evil.example/", "//app.example/bye?a=b", "javascript:alert(1)", "com.example.app:/bye/"),
        *("https://app.example/bye?a=b/../..", "https://app.example\\@evil.example/", "https://app.example/%62ye?a=b"),
    ],
)
def test_s3_another_uri_is_not_returned_to(uri: str) -> None:
    assert return_of(parameters(post_logout_redirect_uri=uri), HINT, CLIENT) is None
    assert why_ask(parameters(post_logout_redirect_uri=uri), HINT, CLIENT, ADA, ADA.id, SESSION.id.hex())


@given(st.text())
def test_s3_no_other_uri_at_all(uri: str) -> None:
    target = return_of(parameters(post_logout_redirect_uri=uri), HINT, CLIENT)
    assert target is None or uri in CLIENT.post_logout_redirect_uris


@pytest.mark.parametrize(
    ("sent", "hint", "client"),
    [
        (ASKED, None, CLIENT),
        (ASKED, HINT, None),
        (ASKED, HINT, replace(CLIENT, disabled=True)),
        (ASKED, HINT, replace(CLIENT, post_logout_redirect_uris=(), redirect_uris=(BYE,))),
        (ASKED | {"state": "x" * (MAX_VALUE + 1)}, HINT, CLIENT),
        (ASKED | {"state": "é" * MAX_VALUE}, HINT, CLIENT),
    ],
)
def test_without_proof_or_with_too_much_nobody_is_sent_anywhere(sent: Any, hint: Any, client: Any) -> None:
    assert return_of(parameters(**sent), hint, client) is None


def test_a_repeated_parameter_counts_as_none() -> None:
    assert return_of(parameters(["state"], post_logout_redirect_uri=BYE), HINT, CLIENT) is None
    for name in ("post_logout_redirect_uri", "state"):
        kept = {other: value for other, value in ASKED.items() if other != name}
        assert return_of(parameters([name], **kept), HINT, CLIENT) is None
    assert client_id_of(parameters(["client_id"]), HINT) == ""
    assert why_ask(parameters(["post_logout_redirect_uri"]), HINT, CLIENT, ADA, ADA.id, SESSION.id.hex())
    assert why_ask(parameters((), ["post_logout_redirect_uri"]), HINT, CLIENT, ADA, ADA.id, SESSION.id.hex())


@pytest.mark.parametrize(
    ("named", "hint", "found"),
    [("app", None, "app"), ("", None, ""), ("", HINT, "app"), ("app", HINT, "app"), ("other", HINT, "")],
)
def test_s2_a_client_id_must_be_that_of_the_id_token(named: str, hint: Any, found: str) -> None:
    assert client_id_of(parameters(**{"client_id": named} if named else {}), hint) == found


@pytest.mark.parametrize("hinted", ["ada", "u_ada", HINT.sid])
def test_an_id_token_of_this_session_is_enough(hinted: str) -> None:
    for sent in ({}, ASKED, ASKED | {"logout_hint": hinted}):
        assert not why_ask(parameters(**sent), HINT, CLIENT, ADA, ADA.id, SESSION.id.hex())


@pytest.mark.parametrize(
    ("hint", "client", "sent", "why"),
    [
        (None, CLIENT, ASKED, "there is no id_token_hint"),
        (None, CLIENT, {"id_token_hint": "x"}, "the id_token_hint is not an ID token of this server"),
        (None, None, {}, "there is no id_token_hint"),
        (HINT, None, {}, "the client is unknown, or is not that of the ID token"),
        (HINT, replace(CLIENT, disabled=True), {}, "client disabled"),
        (replace(HINT, sid=""), CLIENT, {}, "the ID token is of another session"),
        (replace(HINT, sid="0" * 32), CLIENT, ASKED, "the ID token is of another session"),
        (replace(HINT, subject="u_bob"), CLIENT, ASKED, "the ID token is of another session"),
        (HINT, CLIENT, {"logout_hint": "bob"}, "the logout_hint is not the user who is signed in"),
    ],
)
def test_s2_without_an_id_token_of_this_session_and_user_the_person_is_asked(
    hint: Any, client: Any, sent: Any, why: str
) -> None:
    assert why_ask(parameters(**sent), hint, client, ADA, ADA.id, SESSION.id.hex()) == why


@pytest.mark.parametrize(("repeated", "malformed"), [(["logout_hint"], []), ([], ["logout_hint"])])
def test_a_logout_hint_that_nobody_can_read_may_be_another_user_so_the_person_is_asked(
    repeated: list[str], malformed: list[str]
) -> None:
    asked = why_ask(parameters(repeated, malformed, **ASKED), HINT, CLIENT, ADA, ADA.id, SESSION.id.hex())
    assert asked == "the logout_hint is repeated, or not UTF-8"
