"""The claims of an access token (RFC 9068 s2.2) and whom it may be for (RFC 8707)."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authserver.domain.claims import access_token, audience, is_ours
from authserver.domain.errors import TargetRefused
from authserver.domain.models import Client
from tests.domain.test_rotation import LOGIN
from tests.harness.constants import SECOND

A, B, C, DEFAULT = "https://a.example", "https://b.example", "https://c.example", "https://as.example"
CLIENT = Client("app", "App", "none", frozenset(), ("read",))
REFUSED = None


@pytest.mark.parametrize(
    ("asked", "registered", "granted", "expected"),
    [
        # A client of one audience, or of two, and a login that was bound to none.
        ((), (A,), (), (A,)),
        ((), (A, B), (), (A,)),
        ((), (B, A), (), (B,)),
        ((A,), (A, B), (), (A,)),
        ((B,), (A, B), (), (B,)),
        ((B, A), (A, B), (), (B, A)),
        ((C,), (A, B), (), REFUSED),
        ((A, C), (A, B), (), REFUSED),
        # A client of none: the default, and nothing can be asked for, not even that.
        ((), (), (), (DEFAULT,)),
        ((A,), (), (), REFUSED),
        ((DEFAULT,), (), (), REFUSED),
        ((DEFAULT,), (A,), (), REFUSED),
        # A login that was bound to some: all of them, or fewer, and never another of the client's.
        ((), (A, B), (B,), (B,)),
        ((), (A, B, C), (C, B), (C, B)),
        ((B,), (A, B, C), (C, B), (B,)),
        ((A,), (A, B, C), (C, B), REFUSED),
        ((B, A), (A, B, C), (C, B), REFUSED),
        # What the client has lost since.
        ((), (A,), (A, B), (A,)),
        ((B,), (A,), (A, B), REFUSED),
        ((), (C,), (A, B), REFUSED),
        ((C,), (C,), (A, B), REFUSED),
        ((), (), (A,), REFUSED),
        # Compared as they stand.
        ((A + "/",), (A,), (), REFUSED),
        (("HTTPS://A.EXAMPLE",), (A,), (), REFUSED),
        (("",), (A,), (), REFUSED),
    ],
)
def test_the_audience_is_what_the_table_says_rfc8707_2(
    asked: tuple[str, ...], registered: tuple[str, ...], granted: tuple[str, ...], expected: tuple[str, ...] | None
) -> None:
    client = replace(CLIENT, audiences=registered)
    if expected is REFUSED:
        with pytest.raises(TargetRefused):
            audience(asked, client, granted, default=DEFAULT)
    else:
        assert audience(asked, client, granted, default=DEFAULT) == expected


resources = st.lists(st.sampled_from((A, B, C)), unique=True).map(tuple)


@given(resources, resources, resources)
def test_nobody_gets_a_token_for_what_neither_client_nor_login_has_rfc8707_2_2(
    asked: tuple[str, ...], registered: tuple[str, ...], granted: tuple[str, ...]
) -> None:
    try:
        found = audience(asked, replace(CLIENT, audiences=registered), granted, default=DEFAULT)
    except TargetRefused:
        assert asked or granted  # who asks for nothing and is bound to nothing is never refused
        return
    assert found and (found == (DEFAULT,) or set(found) <= set(registered))
    assert not granted or set(found) <= set(granted)
    assert not asked or found == asked


def made(**other: Any) -> dict[str, Any]:
    given: dict[str, Any] = {"issuer": DEFAULT, "client": CLIENT, "scope": ("read", "write"), "audience": (A,)}
    given |= {"ttl": 900, "jti": "j", "now": 1_800_000_000_999_999, "authorization": LOGIN, "subject": "u_ada"}
    return access_token(**given | other)


def test_an_access_token_has_what_rfc9068_2_2_requires() -> None:
    assert made() == {
        "iss": DEFAULT,
        "sub": LOGIN.subject,
        "aud": A,
        "client_id": "app",
        "scope": "read write",
        "iat": 1_800_000_000,
        "exp": 1_800_000_900,
        "jti": "j",
        "auth_time": LOGIN.authenticated_at // SECOND,
        "grant_id": LOGIN.id.hex(),
    }


def test_the_subject_of_a_clients_own_token_is_the_client_rfc9068_2_2() -> None:
    claims = made(authorization=None, subject=CLIENT.id)
    assert claims["sub"] == claims["client_id"] == "app"
    assert {"auth_time", "grant_id"}.isdisjoint(claims)


def test_several_audiences_are_a_list_and_one_is_a_string_rfc7519_4_1_3() -> None:
    assert made(audience=(A, B))["aud"] == [A, B]
    assert made(audience=(B,))["aud"] == B


def test_no_scope_is_no_claim_rfc9068_2_2_3() -> None:
    assert "scope" not in made(scope=())


@given(st.integers(0, 4_000_000_000 * SECOND), st.integers(1, 86400))
def test_times_are_whole_seconds_never_later_than_true(now: int, ttl: int) -> None:
    claims = made(now=now, ttl=ttl)
    assert 0 <= now - claims["iat"] * SECOND < SECOND
    assert claims["exp"] - claims["iat"] == ttl
    assert is_ours(claims, DEFAULT)


@pytest.mark.parametrize(
    ("claim", "ours", "others"),
    [
        ("iss", [DEFAULT], [A, None]),
        ("sub", ["s", "s" * 64], ["", "s" * 65, 5, None]),
        ("client_id", ["c", "c" * 64], ["", "c" * 65, 5, None]),
        ("jti", ["j", "j" * 64], ["", "j" * 65, 5, None]),
        ("iat", [0, 2**40 - 1], [-1, 2**40, 1.0, True, None]),
        ("exp", [0, 2**40 - 1], [-1, 2**40, 1.0, True, None]),
        ("aud", [A, [], [A, B]], [None, 5, [A, 5]]),
        ("grant_id", ["", "0123456789abcdef" * 2], ["0" * 31, "0" * 33, "A" * 32, "g" * 32, None]),
    ],
)
def test_claims_that_this_server_writes_and_those_that_it_never_writes(
    claim: str, ours: list[Any], others: list[Any]
) -> None:
    assert all(is_ours(made() | {claim: value}, DEFAULT) for value in ours)
    assert not any(is_ours(made() | {claim: value}, DEFAULT) for value in others)
