"""OpenID Connect Core 1.0 s3.1.2.1: an id_token_hint is an ID token of this server, however old. Nothing else is."""

from typing import Any

import pytest

from authserver.keyring.lifecycle import Lifecycle
from authserver.provisioning import lifecycle as lifecycle_of
from tests.harness.browser import answer_of
from tests.openid.provider import Provider, granted
from tests.web.serving import Logins, wait_until

HOUR = 3600


@pytest.fixture
def lifecycle(op: Provider) -> Lifecycle:
    return lifecycle_of(op.server.settings, op.database, op.clock)


@pytest.fixture
def sign(op: Provider) -> Any:
    """Signs anything with the server's own key."""
    keyring = Logins(op.database, op.server.settings, op.clock).keyring
    return lambda claims, typ="JWT": keyring.sign(claims, op.clock(), "RS256", typ)


def hint_of(op: Provider) -> tuple[str, str]:
    """An ID token of ada's, and the `kid` of its key."""
    active = op.http.get("/.well-known/jwks.json").json()["keys"][0]["kid"]
    return op.tokens()["id_token"], active


def is_taken(op: Provider, hint: str) -> bool:
    """Whether ada, who is signed in, is let through without a page."""
    answer = answer_of(op.signed_in().authorize(prompt="none", id_token_hint=hint))
    assert answer.get("error") in (None, "login_required")
    return "code" in answer


def test_one_of_a_key_that_left_the_key_set_counts_and_one_of_a_revoked_key_does_not(
    op: Provider, lifecycle: Lifecycle
) -> None:
    hint, kid = hint_of(op)
    lifecycle.promote("RS256", emergency=True)
    for _ in range(100):
        op.later(HOUR)
        lifecycle.run_due()
        if next(key.state for key in lifecycle.read() if key.kid == kid) == "removed":
            break
    op.later(HOUR)
    assert kid not in [key["kid"] for key in op.http.get("/.well-known/jwks.json").json()["keys"]]
    assert is_taken(op, hint)
    other = op.signed_in("bob")
    assert answer_of(other.authorize(prompt="none", id_token_hint=hint))["error"] == "login_required"
    hint, kid = hint_of(op)
    assert is_taken(op, hint)
    lifecycle.revoke(kid)
    wait_until(lambda: kid not in op.http.get("/.well-known/jwks.json").text)
    assert not is_taken(op, hint)
    assert "code" in answer_of(op.signed_in("bob").authorize(id_token_hint=hint))


@pytest.mark.parametrize("name", ["access_token", "refresh_token"])
def test_another_kind_of_token_is_no_hint(op: Provider, name: str) -> None:
    assert not is_taken(op, op.tokens()[name])


@pytest.mark.parametrize(
    "changes",
    [{"iss": "https://evil.example"}, {"sub": None}, {"sub": 5}, {"client_id": "sso"}, {"auth_time": None}],
)
def test_what_we_signed_and_is_no_id_token_is_no_hint(op: Provider, sign: Any, changes: Any) -> None:
    claims = op.claims(op.tokens()["id_token"]) | changes
    assert not is_taken(op, sign({name: value for name, value in claims.items() if value is not None}))


@pytest.mark.parametrize("spoil", ["payload", "signature", "alg none", "no signature", "header"])
def test_a_hint_that_was_tampered_with_is_ignored(op: Provider, spoil: str) -> None:
    header, payload, signature = op.tokens()["id_token"].split(".")
    spoilt = {
        "payload": f"{header}.{payload[:-4]}AAAA.{signature}",
        "signature": f"{header}.{payload}.{signature[:-8]}AAAAAAAA",
        "alg none": f"eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{payload}.",
        "no signature": f"{header}.{payload}.",
        "header": f"{header[:-4]}AAAA.{payload}.{signature}",
    }
    assert not is_taken(op, spoilt[spoil])


@pytest.mark.parametrize("hint", ["x", ".", "..", "a.b.c", "é.é.é", "." * 5000, "[" * 9000, "x" * 20_000])
def test_what_is_no_token_is_no_hint_and_keeps_nobody_out(op: Provider, hint: str) -> None:
    assert not is_taken(op, hint)
    assert "code" in answer_of(op.signed_in().authorize(id_token_hint=hint))


def test_one_that_was_issued_to_another_client_names_the_user_all_the_same(op: Provider) -> None:
    browser = op.signed_in(client_id="another")
    hint = granted(op.redeem(browser.code(client_id="another"), client_id="another"))["id_token"]
    assert is_taken(op, hint)


def test_a_hint_signs_nobody_in(op: Provider) -> None:
    nobody = op.browser()
    hint = op.tokens()["id_token"]
    assert answer_of(nobody.authorize(prompt="none", id_token_hint=hint))["error"] == "login_required"
    assert 'id="sign-in"' in nobody.authorize(id_token_hint=hint).text
