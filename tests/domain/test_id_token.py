"""What an ID token says (OpenID Connect Core s2), and the hash of the access token beside it."""

from base64 import urlsafe_b64encode
from hashlib import sha512
from typing import Any

import pytest

from authserver.domain import claims, id_token
from tests.harness.constants import SECOND

NOW = 1_800_000_000 * SECOND + 999_999
MEMBERS: dict[str, Any] = {"issuer": "https://as.example", "client_id": "app", "subject": "u_ada", "now": NOW}
MEMBERS |= {"ttl": 300, "authenticated_at": NOW - 60 * SECOND, "acr": "password", "amr": ["pwd"], "sid": "5e55"}


def test_oidc_core_2_the_claims_and_no_others() -> None:
    assert id_token.claims(**MEMBERS, nonce="n-0S6") == {
        "iss": "https://as.example",
        "sub": "u_ada",
        "aud": "app",
        "iat": 1_800_000_000,
        "exp": 1_800_000_300,
        "auth_time": 1_799_999_940,
        "acr": "password",
        "amr": ["pwd"],
        "sid": "5e55",
        "nonce": "n-0S6",
    }


def test_what_is_empty_is_left_out() -> None:
    shown = id_token.claims(**MEMBERS | {"acr": "", "amr": [], "sid": ""})
    assert shown.keys() == {"iss", "sub", "aud", "iat", "exp", "auth_time"}


def test_oidc_core_5_5_what_was_asked_for_is_added_and_replaces_nothing() -> None:
    shown = id_token.claims(**MEMBERS, requested={"email": "ada@example.com", "sub": "u_eve", "aud": "evil"})
    assert shown["email"] == "ada@example.com" and (shown["sub"], shown["aud"]) == ("u_ada", "app")


def test_rfc9068_2_2_it_cannot_be_taken_for_an_access_token() -> None:
    members = id_token.claims(**MEMBERS, nonce="n")
    assert not claims.is_ours(members, MEMBERS["issuer"]) and "scope" not in members


@pytest.mark.parametrize("alg", ["RS256", "PS256", "ES256"])
def test_oidc_core_a_3_the_at_hash_is_that_of_the_example(alg: str) -> None:
    assert id_token.half_hash("jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y", alg) == "77QmUPtjPfzWtF2AnpK9RQ"


def test_oidc_core_3_1_3_6_the_hash_is_that_of_the_algorithm() -> None:
    half = urlsafe_b64encode(sha512(b"token").digest()[:32]).rstrip(b"=").decode()
    assert id_token.half_hash("token", "EdDSA") == half
