"""Client authentication: one table of methods, and one answer to all that fails, at every endpoint."""

from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from starlette.testclient import TestClient

from authserver.domain import client_secrets
from authserver.domain.models import SECOND, Secret
from authserver.store import clients
from authserver.store.database import Database
from tests.harness.clock import Clock
from tests.harness.constants import SECRET
from tests.harness.existing import existing
from tests.web.answers import (
    CHALLENGED,
    DISABLED,
    INVALID_CLIENT,
    INVALID_GRANT,
    INVALID_REQUEST,
    UNAUTHORIZED_CLIENT,
    ExpectedError,
    assert_done,
    assert_granted,
    assert_refused,
)
from tests.web.serving import LocalServer, add_client, change_client

BODY = {"/token": {"grant_type": "client_credentials"}, "/revoke": {"token": "no token of ours"}}
both_endpoints = pytest.mark.parametrize("path", BODY)


@pytest.fixture
def ask(shared: LocalServer) -> Callable[..., Any]:
    """`ask(path, form, *authorizations)` for what only needs an authenticated client."""

    def ask(path: Any, form: Any = None, *authorizations: Any) -> Any:
        headers = [("Authorization", value) for value in authorizations]
        return shared.http.post(path, data=BODY[path] | (form or {}), headers=headers)

    return ask


def basic(text: Any) -> Any:
    return "Basic " + b64encode(text if isinstance(text, bytes) else text.encode()).decode()


def assert_accepted(answer: Any) -> None:
    assert_done(answer) if answer.json() == {} else assert_granted(answer)


MACHINE = basic(f"machine:{SECRET}")


@both_endpoints
def test_rfc6749_2_3_1_basic_authenticates_in_any_case(ask: Any, path: Any) -> None:
    assert_accepted(ask(path, None, MACHINE))
    assert_accepted(ask(path, {"client_id": "machine"}, MACHINE))
    assert_accepted(ask(path, None, MACHINE.replace("Basic", "bAsIc")))


@both_endpoints
@pytest.mark.parametrize("spaces", [2, 3])
def test_rfc9110_11_4_basic_with_several_spaces_authenticates(ask: Any, path: Any, spaces: int) -> None:
    assert_accepted(ask(path, None, MACHINE.replace(" ", " " * spaces)))


@both_endpoints
def test_basic_user_differs_from_body_client_id(ask: Any, path: Any) -> None:
    assert_refused(ask(path, {"client_id": "web"}, MACHINE), INVALID_REQUEST)


@both_endpoints
def test_rfc6749_2_3_two_methods_at_once_are_refused(ask: Any, path: Any) -> None:
    assert_refused(ask(path, {"client_secret": SECRET}, MACHINE), INVALID_REQUEST)
    assert_refused(ask(path, {"client_id": "machine", "client_secret": SECRET}, MACHINE), INVALID_REQUEST)
    assert_refused(ask(path, None, MACHINE, MACHINE), INVALID_REQUEST)


@both_endpoints
@pytest.mark.parametrize("client_id", [{}, {"client_id": "app"}], ids=["alone", "with client_id"])
@pytest.mark.parametrize("value", [basic("app:x"), basic("app:\u20ac"), "Basic", "Basic !", basic("app"), basic(":")])
def test_public_client_with_a_secret_or_what_is_not_basic(ask: Any, path: Any, client_id: Any, value: Any) -> None:
    assert_refused(ask(path, client_id, value), CHALLENGED)


@both_endpoints
def test_a_public_client_with_another_id_in_basic_is_refused(ask: Any, path: Any) -> None:
    assert_refused(ask(path, {"client_id": "app"}, basic("other:")), INVALID_REQUEST)
    assert_refused(ask(path, None, basic("nobody:")), CHALLENGED)


PUBLIC = {"/token": {"grant_type": "refresh_token", "refresh_token": "x"}, "/revoke": {}}


@both_endpoints
@pytest.mark.parametrize("client_id", [{}, {"client_id": "app"}], ids=["alone", "with client_id"])
def test_basic_with_an_empty_secret_is_a_public_clients_none(ask: Any, path: Any, client_id: Any) -> None:
    """requests-oauthlib sends it."""
    assert_recognised(ask(path, PUBLIC[path] | client_id, basic("app:")))


@both_endpoints
@pytest.mark.parametrize("value", ["Bearer abc", "Bearer", "", "Digest a=b", "DPoP abc", "Basically abc"])
def test_another_scheme_beside_a_client_id_is_ignored(ask: Any, path: Any, value: str) -> None:
    """axios leaves the access token there when it refreshes."""
    assert_recognised(ask(path, PUBLIC[path] | {"client_id": "app"}, value))
    assert_accepted(ask(path, {"client_id": "web", "client_secret": SECRET}, value))
    # RFC 6749 s5.2: it did not attempt to authenticate by that header, and gets no challenge
    assert_refused(ask(path, {"client_id": "web", "client_secret": "wrong"}, value), INVALID_CLIENT)
    assert_refused(ask(path, None, value), CHALLENGED)


def assert_recognised(answer: Any) -> None:
    """As the client, whose refresh token is nonsense."""
    assert_done(answer) if answer.json() == {} else assert_refused(answer, INVALID_GRANT)


@both_endpoints
def test_a_secret_is_accepted_the_other_way_than_registered(ask: Any, path: Any) -> None:
    """openid-client, requests_oauth2client and others send it in the body unless told otherwise."""
    assert_accepted(ask(path, None, basic(f"web:{SECRET}")))
    assert_accepted(ask(path, {"client_id": "machine", "client_secret": SECRET}))
    assert_refused(ask(path, None, basic("web:wrong")), CHALLENGED)
    assert_refused(ask(path, {"client_id": "machine", "client_secret": "wrong"}), INVALID_CLIENT)


@pytest.fixture(scope="module")
def asserts(shared: LocalServer) -> None:
    add_client(shared.database, "web", id="asserts", auth_method="private_key_jwt")


@both_endpoints
def test_a_secret_from_a_client_that_is_registered_for_another_method(asserts: Any, ask: Any, path: Any) -> None:
    told = "This client is registered for another authentication method."
    other_method = ExpectedError(401, "invalid_client", told)
    for form, header, refused in (
        ({"client_id": "asserts", "client_secret": SECRET}, (), other_method),
        ({}, (basic(f"asserts:{SECRET}"),), replace(other_method, headers=CHALLENGED.headers)),
        ({"client_id": "asserts", "client_secret": "wrong"}, (), INVALID_CLIENT),
        ({"client_id": "asserts"}, (), INVALID_CLIENT),
    ):
        assert_refused(ask(path, form, *header), refused)


@pytest.fixture(scope="module")
def disabled(shared: LocalServer) -> None:
    add_client(shared.database, "web", id="disabled web", disabled=True)
    add_client(shared.database, "app", id="disabled app", disabled=True)


@both_endpoints
def test_only_a_disabled_client_that_proves_its_secret_is_told(disabled: Any, ask: Any, path: Any) -> None:
    proven = {"client_id": "disabled web", "client_secret": SECRET}
    assert_refused(ask(path, proven), DISABLED)
    assert_refused(ask(path, proven | {"client_secret": "wrong"}), INVALID_CLIENT)
    assert_refused(ask(path, {"client_id": "disabled app"}), INVALID_CLIENT)
    assert_refused(ask(path, PUBLIC[path], basic("disabled app:")), CHALLENGED)


@both_endpoints
@pytest.mark.parametrize("client_id", ["web", "machine"])
def test_no_secret_from_a_client_that_has_one(ask: Any, path: Any, client_id: str) -> None:
    assert_refused(ask(path, {"client_id": client_id}), INVALID_CLIENT)


_ENCODED = b64encode(f"machine:{SECRET}".encode()).decode()


@both_endpoints
@pytest.mark.parametrize(
    "value",
    ["*".join(_ENCODED), _ENCODED + "=", _ENCODED[:-1], _ENCODED + "====", _ENCODED + "\tx", "%", "\xe9", "a b", "a,b"]
    + [b64encode(b"machine:").decode().rstrip("="), f"\t{_ENCODED}", f"{_ENCODED}, Basic {_ENCODED}"],
)
def test_junk_in_base64_bad_padding_no_padding(ask: Any, path: Any, value: Any) -> None:
    assert_refused(ask(path, None, f"Basic {value}".encode("latin-1")), CHALLENGED)


@both_endpoints
@pytest.mark.parametrize("text", [b"machine:\xff", b"\xff:x", b"machine:\xc0\x80", b"%FF:x", b"machine:%ED%A0%80"])
def test_basic_of_bytes_that_are_not_utf_8(ask: Any, path: Any, text: bytes) -> None:
    assert_refused(ask(path, None, basic(text)), CHALLENGED)


@both_endpoints
@pytest.mark.parametrize(
    "text",
    ["machine", f":{SECRET}", "machine:", ":", "", f"machine\0:{SECRET}", f"machine:{SECRET}%00", f"\0:{SECRET}"],
)
def test_no_colon_empty_id_empty_secret_nul(ask: Any, path: Any, text: str) -> None:
    assert_refused(ask(path, None, basic(text)), CHALLENGED)


# RFC 6749 appendix B: the string of six characters U+0020 U+0025 U+0026 U+002B U+00A3 U+20AC and what it becomes.
PLAIN, ENCODED = " %&+£€", "+%25%26%2B%C2%A3%E2%82%AC"


@pytest.fixture(scope="module")
def odd(shared: LocalServer) -> None:
    """A client whose id and secret need the encoding."""
    secret = Secret(sha256(f"{PLAIN}:s".encode()).digest())
    add_client(shared.database, "machine", id=f"a:{PLAIN}", secrets=(secret,))


@both_endpoints
@pytest.mark.parametrize(
    "encoded", [ENCODED, ENCODED.replace("+", "%20"), ENCODED.lower()], ids=["vector", "space as %20", "lower case"]
)
def test_rfc6749_appendix_b_basic_credentials_are_decoded_once(ask: Any, odd: Any, path: Any, encoded: Any) -> None:
    assert quote_plus(PLAIN) == ENCODED
    assert_accepted(ask(path, None, basic(f"a%3A{encoded}:{encoded}%3As")))


@both_endpoints
@pytest.mark.parametrize(
    "text",
    [f"a%3A{PLAIN}:{PLAIN}%3As", f"a%3A{quote(ENCODED)}:{quote(ENCODED)}%3As", f"a:{ENCODED}:{ENCODED}%3As"],
    ids=["not encoded", "encoded twice", "colon in the id"],
)
def test_no_and_two_decodings(ask: Any, odd: Any, path: Any, text: str) -> None:
    assert_refused(ask(path, None, basic(text)), CHALLENGED)


def test_a_secret_in_the_body_is_decoded_once_as_the_form_is(shared: LocalServer, ask: Any) -> None:
    secret = Secret(sha256(ENCODED.encode()).digest())
    add_client(shared.database, "web", id="posts", secrets=(secret,))
    assert_granted(ask("/token", {"client_id": "posts", "client_secret": ENCODED}))
    assert_refused(ask("/token", {"client_id": "posts", "client_secret": PLAIN}), INVALID_CLIENT)


@both_endpoints
@pytest.mark.parametrize("secret", [SECRET, "x", "\u20ac"])
def test_a_secret_for_a_client_that_has_none(ask: Any, path: Any, secret: Any) -> None:
    assert_refused(ask(path, {"client_id": "app", "client_secret": secret}), INVALID_CLIENT)


@both_endpoints
@pytest.mark.parametrize(
    "form",
    [{"client_id": "web", "client_secret": SECRET[:-1]}, {"client_id": "web", "client_secret": SECRET + "x"}]
    + [{"client_id": "web", "client_secret": sha256(SECRET.encode()).hexdigest()}, {"client_secret": SECRET}, {}]
    + [{"client_id": "nobody"}, {"client_id": "nobody", "client_secret": SECRET}, {"client_id": "WEB"}]
    + [{"client_id": "web ", "client_secret": SECRET}, {"client_id": "é" * 10_000}],
    ids=["short", "long", "hash", "no id", "nothing", "unknown", "unknown secret", "case", "space", "long id"],
)
def test_rfc6749_5_2_unknown_clients_and_wrong_secrets_get_the_same_answer(ask: Any, path: Any, form: Any) -> None:
    assert_refused(ask(path, form), INVALID_CLIENT)


def test_an_expired_secret_is_refused(
    http: TestClient, database: Database, token: Callable[..., Any], clock: Clock
) -> None:
    end = clock() + 3 * SECOND
    change_client(database, "web", secrets=(Secret(sha256(SECRET.encode()).digest(), end),))
    clock.now = end - 1
    assert_granted(token("client_credentials", "web"))
    clock.now = end
    assert_refused(token("client_credentials", "web"), INVALID_CLIENT)
    revoke = {"token": "x", "client_id": "web", "client_secret": SECRET}
    assert_refused(http.post("/revoke", data=revoke), INVALID_CLIENT)


def test_two_live_secrets_change_one_without_an_outage(http: TestClient, database: Database, clock: Clock) -> None:
    def ask(secret: Any) -> Any:
        form = {"grant_type": "client_credentials", "client_id": "web", "client_secret": secret}
        return http.post("/token", data=form)

    with database.begin() as connection:
        client, fresh = existing(clients.load(connection, "web")), Secret(sha256(b"fresh").digest())
        clients.put(connection, client_secrets.rotated(client, fresh, now=clock(), grace=10))
    assert_granted(ask(SECRET))
    assert_granted(ask("fresh"))
    clock.forward(10)
    assert_refused(ask(SECRET), INVALID_CLIENT)
    assert_granted(ask("fresh"))
    with database.begin() as connection:
        client = existing(clients.load(connection, "web"))
        clients.put(connection, replace(client, secrets=client.secrets[::-1]))
    clock.forward(5)
    assert_refused(ask(SECRET), INVALID_CLIENT)  # whichever place it has
    assert_granted(ask("fresh"))


@both_endpoints
def test_a_disabled_client_is_refused_within_5_seconds_and_accepted_again(
    http: TestClient, database: Database, clock: Clock, path: Any
) -> None:
    def ask() -> Any:
        return http.post(path, data=BODY[path] | {"client_id": "web", "client_secret": SECRET})

    assert_accepted(ask())
    change_client(database, "web", disabled=True)
    clock.forward(5)
    assert_refused(ask(), DISABLED)
    change_client(database, "web", disabled=False)
    clock.forward(5)
    assert_accepted(ask())


def test_a_new_client_is_known_at_once(shared: LocalServer, ask: Any) -> None:
    assert_refused(ask("/token", {"client_id": "new", "client_secret": SECRET}), INVALID_CLIENT)
    add_client(shared.database, "web", id="new")
    assert_granted(ask("/token", {"client_id": "new", "client_secret": SECRET}))


def test_rfc6749_5_2_a_client_without_the_grant_is_unauthorized_client(shared: LocalServer, ask: Any) -> None:
    add_client(shared.database, "app", id="keeper", grant_types=frozenset({"password"}))
    refresh = {"client_id": "keeper", "grant_type": "refresh_token", "refresh_token": "x"}
    assert_refused(ask("/token", refresh), UNAUTHORIZED_CLIENT)
    assert_refused(ask("/token", {"client_id": "app"}), UNAUTHORIZED_CLIENT)
    assert_refused(ask("/token", {"grant_type": "password", "username": "ada"}, MACHINE), UNAUTHORIZED_CLIENT)


def test_rfc6749_4_4_client_credentials_is_for_confidential_clients_only(shared: LocalServer, ask: Any) -> None:
    add_client(shared.database, "app", id="registered", grant_types=frozenset({"client_credentials"}))
    assert_refused(ask("/token", {"client_id": "registered"}), UNAUTHORIZED_CLIENT)
