"""authserver.testing: an issuer in a test's hands, as the developers of APIs and clients use it."""

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any
from urllib.request import urlopen

import jwt
import pytest

from authserver.resource import TokenRejected
from authserver.testing import ErrorResponse, Issuer, running_issuer
from authserver.testing import issuer as issuer_fixture
from tests.harness.constants import PASSWORD

issuer = issuer_fixture
DAY = 86400


def pyjwt(issuer: Issuer, token: str, keys: jwt.PyJWKClient) -> dict[str, Any]:
    """The claims of `token`, verified by another library over HTTP."""
    key = keys.get_signing_key_from_jwt(token)
    claims: dict[str, Any] = jwt.decode(token, key, ["RS256"], audience=issuer.audience, issuer=issuer.url)
    return claims


def jwks_uri(issuer: Issuer) -> str:
    with urlopen(f"{issuer.url}/.well-known/oauth-authorization-server") as answer:
        return str(json.load(answer)["jwks_uri"])


def refusal(call: Any, *arguments: Any) -> str:
    with pytest.raises(TokenRejected) as refused:
        call(*arguments)
    return refused.value.reason


def test_a_token_without_a_login_has_the_claims_of_one_with_a_login(issuer: Issuer) -> None:
    sub = issuer.user("ada", PASSWORD)
    logged_in = issuer.login("ada", PASSWORD, "read write")["access_token"]
    made = issuer.token(sub, "read write")
    keys = jwt.PyJWKClient(jwks_uri(issuer))
    one, other = pyjwt(issuer, logged_in, keys), pyjwt(issuer, made, keys)
    assert set(one) - set(other) == {"auth_time", "grant_id"}
    assert {name for name in other if one[name] != other[name]} <= {"client_id", "jti", "iat", "exp"}
    assert jwt.get_unverified_header(made) == jwt.get_unverified_header(logged_in)


def test_claims_are_added_replaced_and_left_out(issuer: Issuer) -> None:
    token = issuer.token("ada", "read", audience="https://api.example", ttl=60, acr="gold", client_id="app")
    guard = issuer.guard("https://api.example")
    verified = guard.verify(token, "read")
    assert (verified.subject, verified.acr, verified.client_id) == ("ada", "gold", "app")
    assert verified.expires_at == verified.issued_at + 60
    assert refusal(guard.verify, issuer.token("ada", audience="https://api.example", jti=None)) != ""
    assert refusal(issuer.guard().verify, token) == "wrong audience"


def test_a_rotation_is_seen_at_once_by_the_guard_and_by_another_verifier(issuer: Issuer) -> None:
    guard, keys = issuer.guard(), jwt.PyJWKClient(jwks_uri(issuer))
    before, old = issuer.token("ada"), issuer.kid
    guard.verify(before)
    pyjwt(issuer, before, keys)
    new = issuer.rotate()
    after = issuer.token("ada")
    assert jwt.get_unverified_header(after)["kid"] == new == issuer.kid != old
    for token in (before, after):
        assert guard.verify(token).subject == pyjwt(issuer, token, keys)["sub"] == "ada"
    assert jwt.get_unverified_header(login(issuer)["access_token"])["kid"] == new
    with urlopen(jwks_uri(issuer)) as answer:
        assert json.load(answer) == issuer.jwks()


def login(issuer: Issuer) -> dict[str, Any]:
    issuer.user("ada", PASSWORD)
    return issuer.login("ada", PASSWORD)


def test_a_key_that_nobody_has_fetched_is_found(issuer: Issuer) -> None:
    guard = issuer.guard()
    guard.verify(issuer.token())
    known = {key["kid"] for key in issuer.jwks()["keys"]}
    issuer.rotate()
    assert issuer.rotate() not in known
    guard.verify(issuer.token())


def test_a_token_expires_by_the_clock(issuer: Issuer) -> None:
    guard, token = issuer.guard(), issuer.token("ada")
    issuer.clock.forward(880)
    assert guard.verify(token).subject == "ada"
    issuer.clock.forward(20)
    assert refusal(guard.verify, token) == "expired"
    assert refusal(guard.verify, issuer.token(ttl=-1)) == "expired"
    guard.verify(issuer.token())
    with pytest.raises(ValueError, match="only moves forward"):
        issuer.clock.forward(-1)


def test_a_login_ends_by_the_clock(issuer: Issuer) -> None:
    """The server itself goes by it, and goes on signing however far it moved."""
    client = issuer.client()
    issuer.user("ada", PASSWORD)
    refresh_token = issuer.login("ada", PASSWORD, client_id=client)["refresh_token"]
    form: dict[str, Any] = {"grant_type": "refresh_token", "client_id": client}
    issuer.clock.forward(6 * DAY)
    refresh_token = issuer.post("/token", refresh_token=refresh_token, **form)["refresh_token"]
    issuer.clock.forward(8 * DAY)
    with pytest.raises(ErrorResponse, match="400 invalid_grant"):
        issuer.post("/token", refresh_token=refresh_token, **form)


def test_the_server_is_ready_as_soon_as_the_clock_was_moved(issuer: Issuer) -> None:
    """What it knows of the keys is not too old to sign by: it has looked again."""
    issuer.clock.forward(DAY)
    with urlopen(f"{issuer.url}/health/ready") as answer:
        assert answer.status == 200


def test_keys_rotate_by_the_schedule_when_the_test_says_so(issuer: Issuer) -> None:
    old = issuer.kid
    issuer.clock.forward(91 * DAY)
    assert issuer.kid == old
    assert [step.change for step in issuer.rotate_when_due()] == ["promote"]
    assert issuer.rotate_when_due() == []
    assert old != issuer.kid and old in {key["kid"] for key in issuer.jwks()["keys"]}


def test_a_revoked_key_is_refused_within_a_minute_and_logins_continue(issuer: Issuer) -> None:
    guard, token, client = issuer.guard(), issuer.token(), issuer.client()
    issuer.user("ada", PASSWORD)
    answer = issuer.login("ada", PASSWORD, client_id=client)
    guard.verify(token)
    issuer.revoke_key()
    issuer.clock.forward(61)
    assert refusal(guard.verify, token) != ""
    form: dict[str, Any] = {"grant_type": "refresh_token", "client_id": client}
    guard.verify(issuer.post("/token", refresh_token=answer["refresh_token"], **form)["access_token"])
    with pytest.raises(ValueError, match="no published key nobody's"):
        issuer.revoke_key("nobody's")


def test_the_key_of_a_long_lived_token_stays_published(issuer: Issuer) -> None:
    token = issuer.token(ttl=10 * DAY)
    issuer.rotate()
    issuer.clock.forward(9 * DAY)
    issuer.rotate_when_due()
    issuer.guard().verify(token)


def test_while_the_issuer_is_down_the_guard_keeps_verifying_and_nothing_is_lost(issuer: Issuer) -> None:
    guard, client = issuer.guard(), issuer.client()
    issuer.user("ada", PASSWORD)
    answer = issuer.login("ada", PASSWORD, client_id=client)
    guard.verify(issuer.token())
    port = int(issuer.url.rpartition(":")[2])
    with issuer.down():
        issuer.clock.forward(3600)
        assert guard.verify(issuer.token("bob")).subject == "bob"
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))
        with socket.socket() as other, pytest.raises(OSError, match="in use"):
            other.bind(("127.0.0.1", port))
    refreshed = issuer.post(
        "/token", grant_type="refresh_token", client_id=client, refresh_token=answer["refresh_token"]
    )
    guard.verify(refreshed["access_token"])


def test_keys_change_while_the_issuer_is_down(issuer: Issuer) -> None:
    with issuer.down():
        new = issuer.rotate()
        issuer.clock.moved = lambda: None
        issuer.clock.forward(60)  # as if the time had passed by itself
        token = issuer.token()
    assert jwt.get_unverified_header(token)["kid"] == new
    issuer.guard().verify(token)


def test_what_cannot_be_is_refused(issuer: Issuer) -> None:
    issuer.user("ada", PASSWORD)
    with pytest.raises(ValueError, match="The user ada already exists"):
        issuer.user("Ada", PASSWORD)
    with pytest.raises(ValueError, match="RFC 8265"):
        issuer.user("", PASSWORD)
    with pytest.raises(ErrorResponse) as refused:
        issuer.login("ada", "wrong")
    assert (refused.value.status, refused.value.members["error"]) == (400, "invalid_grant")


def test_a_client_can_have_a_secret_and_a_lifetime_of_its_own(issuer: Issuer) -> None:
    own: dict[str, Any] = {"secret": "machine", "auth_method": "client_secret_post", "access_token_ttl": DAY}
    client = issuer.client("read", grants=("client_credentials",), **own)
    request: dict[str, Any] = {"grant_type": "client_credentials", "client_id": client}
    with pytest.raises(ErrorResponse, match="401 invalid_client"):
        issuer.post("/token", **request)
    assert issuer.post("/token", client_secret="machine", **request)["expires_in"] == DAY


def test_many_at_once_wait_for_each_other(issuer: Issuer) -> None:
    """The database in memory locks as a file does: nothing fails because others write."""
    client = issuer.client()
    issuer.user("ada", PASSWORD)

    def visit(number: int) -> str:
        issuer.user(f"user{number}", PASSWORD)
        if number == 5:
            issuer.rotate()
        return str(issuer.login("ada", PASSWORD, client_id=client)["access_token"])

    with ThreadPoolExecutor(4) as pool:
        tokens = list(pool.map(visit, range(12)))
    guard = issuer.guard()
    assert len({guard.verify(token).jti for token in tokens}) == 12


@pytest.fixture
def nothing_left(tmp_path: Path) -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    left = {thread for thread in threading.enumerate() if thread.name != "authserver-jwks"} - before
    assert (left, list(tmp_path.iterdir())) == (set(), [])


def test_two_in_one_process_know_nothing_of_each_other(nothing_left: None) -> None:
    with running_issuer() as one, running_issuer(access_token_ttl=60) as other:
        assert one.url != other.url
        token = other.token("ada")
        verified = other.guard().verify(token)
        assert verified.expires_at - verified.issued_at == 60
        assert refusal(one.guard().verify, token) != ""
        login(one)
        with pytest.raises(ErrorResponse, match="invalid_grant"):
            other.login("ada", PASSWORD)


def test_a_setting_that_is_refused_leaves_nothing_behind(nothing_left: None) -> None:
    with pytest.raises(ValueError, match="jwks_max_age"), running_issuer(jwks_max_age=-1):
        pass


def test_it_answers_about_as_fast_as_a_command_shows_its_version() -> None:
    """Well under a second; a generous ratio, for a machine that is doing other things too."""
    answers, commands = [], []
    for _ in range(3):
        began = perf_counter()
        subprocess.run([sys.executable, "-m", "authserver", "--version"], check=True, capture_output=True)
        commands.append(perf_counter() - began)
        began = perf_counter()
        with running_issuer() as issuer, urlopen(f"{issuer.url}/health/ready") as answer:
            assert answer.status == 200
            answers.append(perf_counter() - began)
    assert median(answers) < 8 * median(commands)
