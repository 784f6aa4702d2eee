"""Login, call, refresh, revoke over HTTP with a real server, its tokens verified by libraries that are not ours."""

import json
import urllib.request
from base64 import b64encode
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode

import jwt
import pytest
from joserfc import jwt as joserfc_jwt
from joserfc.jwk import KeySet

from authserver.oauth.error_descriptions import SENTENCES
from tests.harness.constants import LONG, PASSWORD
from tests.harness.live import Live
from tests.web.answers import INVALID_GRANT


class Refused(Exception):
    """Carries status and body."""


def post(url: Any, form: Any, **headers: Any) -> Any:
    request = urllib.request.Request(url, urlencode(form).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=LONG) as answer:
            body = answer.read()
    except HTTPError as error:
        raise Refused(error.code, json.loads(error.read())) from None
    return json.loads(body) if body else None


def fetch(url: Any) -> Any:
    with urllib.request.urlopen(url, timeout=LONG) as answer:
        return json.load(answer)


@pytest.fixture(scope="module")
def described(real: Live) -> Any:
    """The metadata, from the one address that a client is configured with."""
    return fetch(f"{real.url}/.well-known/oauth-authorization-server")


@pytest.fixture
def token(real: Live, described: Any) -> Callable[..., Any]:
    """`token("refresh_token", ...)` as the public client."""

    def token(grant_type: Any, **parameters: Any) -> Any:
        form = {"grant_type": grant_type, "client_id": real.app["client_id"]} | parameters
        return post(described["token_endpoint"], form)

    return token


@pytest.fixture(params=["PyJWT", "joserfc"])
def call(request: pytest.FixtureRequest, real: Live, described: Any) -> Any:
    """An API that verifies offline, with one library: the claims of the token that a call brings."""
    audience = f"{real.url}/api"

    def by_pyjwt(access_token: Any) -> Any:
        key = jwt.PyJWKClient(described["jwks_uri"]).get_signing_key_from_jwt(access_token)
        return jwt.decode(access_token, key, algorithms=["RS256"], audience=audience, issuer=described["issuer"])

    def by_joserfc(access_token: Any) -> Any:
        keys = KeySet.import_key_set(fetch(described["jwks_uri"]))
        verified = joserfc_jwt.decode(access_token, keys, ["RS256"])
        rules = joserfc_jwt.JWTClaimsRegistry(
            iss={"essential": True, "value": described["issuer"]},
            aud={"essential": True, "value": audience},
            exp={"essential": True},
        )
        rules.validate(verified.claims)
        assert verified.header.keys() == {"typ", "alg", "kid"}
        assert verified.header["typ"] == "at+jwt"  # RFC 9068 s2.1
        return verified.claims

    return by_pyjwt if request.param == "PyJWT" else by_joserfc


RFC9068_2_2 = {"iss", "exp", "aud", "sub", "client_id", "iat", "jti", "scope", "auth_time"}


def test_a_login_can_call_refresh_and_revoke(real: Live, described: Any, token: Any, call: Any) -> None:
    login = token("password", username="ada", password=PASSWORD)
    claims = call(login["access_token"])
    assert claims.keys() == RFC9068_2_2 | {"grant_id"}
    assert (claims["sub"], claims["client_id"]) == (real.user["id"], real.app["client_id"])
    assert (login["token_type"], login["scope"], claims["scope"]) == ("Bearer", "read write", "read write")
    assert claims["exp"] - claims["iat"] == login["expires_in"] == 900

    refreshed = token("refresh_token", refresh_token=login["refresh_token"])
    again = call(refreshed["access_token"])
    assert again["jti"] != claims["jti"]
    same = ("iss", "sub", "aud", "client_id", "grant_id", "auth_time")
    assert [again[name] for name in same] == [claims[name] for name in same]

    revoke = {"client_id": real.app["client_id"], "token": refreshed["refresh_token"]}
    assert post(described["revocation_endpoint"], revoke) == {}
    for text in (login["refresh_token"], refreshed["refresh_token"]):
        with pytest.raises(Refused) as refused:
            token("refresh_token", refresh_token=text)
        body = {"error": INVALID_GRANT.error, "error_description": SENTENCES[INVALID_GRANT.error]}
        assert refused.value.args == (400, body)


def test_a_client_gets_a_token_of_its_own_by_discovery_alone(real: Live, described: Any, call: Any) -> None:
    credentials = f"{real.machine['client_id']}:{real.machine['client_secret']}"
    basic = f"Basic {b64encode(credentials.encode()).decode()}"
    answer = post(described["token_endpoint"], {"grant_type": "client_credentials"}, Authorization=basic)
    claims = call(answer["access_token"])
    assert claims.keys() == RFC9068_2_2 - {"auth_time"}
    assert claims["sub"] == claims["client_id"] == real.machine["client_id"]
    assert "refresh_token" not in answer


def test_a_token_that_was_changed_does_not_verify(token: Any, call: Any) -> None:
    header, payload, signature = token("password", username="ada", password=PASSWORD)["access_token"].split(".")
    with pytest.raises(Exception, match="(?i)signature"):
        call(f"{header}.{payload}.{signature[:-8]}AAAAAAA{'A' if signature[-1] != 'A' else 'Q'}")


def test_64_parallel_refreshes_have_one_successor(token: Any) -> None:
    first = token("password", username="ada", password=PASSWORD)["refresh_token"]
    with ThreadPoolExecutor(64) as callers:
        answers = list(callers.map(lambda _: token("refresh_token", refresh_token=first), range(64)))
    (second,) = {answer["refresh_token"] for answer in answers}
    assert len({answer["access_token"] for answer in answers}) == 64
    third = token("refresh_token", refresh_token=second)["refresh_token"]
    with pytest.raises(Refused):
        token("refresh_token", refresh_token=first)  # the generation was advanced by one: two back is reuse
    with pytest.raises(Refused):
        token("refresh_token", refresh_token=third)


def test_no_refresh_succeeds_after_revocation_was_answered(real: Live, described: Any, token: Any) -> None:
    def refresh_until_refused(text: Any) -> Any:
        try:
            while True:
                text = token("refresh_token", refresh_token=text)["refresh_token"]
        except Refused as refused:
            return refused.args[1]["error"]

    for _ in range(5):
        text = token("password", username="ada", password=PASSWORD)["refresh_token"]
        with ThreadPoolExecutor(4) as callers:
            refreshing = [callers.submit(refresh_until_refused, text) for _ in range(3)]
            post(described["revocation_endpoint"], {"client_id": real.app["client_id"], "token": text})
            with pytest.raises(Refused):
                token("refresh_token", refresh_token=text)
            assert [caller.result() for caller in refreshing] == ["invalid_grant"] * 3


def test_nothing_that_was_given_out_stands_in_the_log_at_debug_level(real: Live, token: Any) -> None:
    login = token("password", username="ada", password=PASSWORD)
    refreshed = token("refresh_token", refresh_token=login["refresh_token"])
    log = real.log.read_text()
    assert '"event": "login"' in log
    for answer in (login, refreshed):
        for secret in (answer["refresh_token"], *answer["access_token"].split(".")[1:]):
            assert secret not in log
    assert PASSWORD not in log
    assert real.machine["client_secret"] not in log
