"""PKCE with S256 (RFC 7636): the forms of challenge and verifier, and whether they belong together."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authserver.domain import pkce

# RFC 7636 appendix B
VERIFIER, CHALLENGE = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
UNRESERVED = "ABCXYZabcxyz0189-._~"


def test_rfc7636_b_the_example_is_proven() -> None:
    assert pkce.is_verifier(VERIFIER) and pkce.is_challenge(CHALLENGE)
    assert pkce.proves(VERIFIER, CHALLENGE)


@given(st.text(UNRESERVED, min_size=43, max_size=128), st.text(UNRESERVED, min_size=43, max_size=128))
def test_rfc7636_4_6_only_the_challenges_own_verifier_proves_it(verifier: str, other: str) -> None:
    assert pkce.is_verifier(verifier)
    assert not pkce.proves(verifier, CHALLENGE) and pkce.proves(other, CHALLENGE) is (other == VERIFIER)


@pytest.mark.parametrize(
    "text",
    ["", "v" * 42, "v" * 129, "v" * 43 + "\n", "v" * 42 + "+", "v" * 42 + " ", "v" * 42 + "\u00e9", "v" * 42 + "\0"],
)
def test_rfc7636_4_1_what_is_no_verifier(text: str) -> None:
    assert not pkce.is_verifier(text)


@pytest.mark.parametrize(
    "text", ["", CHALLENGE[:-1], CHALLENGE + "c", CHALLENGE + "\n", CHALLENGE[:-1] + "=", CHALLENGE[:-1] + "."]
)
def test_rfc7636_4_2_what_is_no_challenge(text: str) -> None:
    assert not pkce.is_challenge(text)


def test_rfc7636_4_2_the_methods_are_s256_alone() -> None:
    assert pkce.METHODS == ("S256",)
