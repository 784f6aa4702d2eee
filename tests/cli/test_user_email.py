"""authserver user set-email: what is written, and which addresses are refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from tests.harness.constants import PASSWORD


@pytest.fixture(autouse=True)
def _people(cli: Callable[..., Result], here: Path) -> None:
    for name in ("ada", "bob"):
        cli("user", "create", name, "--password-stdin", input=PASSWORD)


def test_the_address_is_set_and_the_other_claims_stay(cli: Callable[..., Result], data: Callable[..., Any]) -> None:
    cli("user", "set-claims", "ada", input='{"name": "Ada", "email": "old@example.com", "email_verified": true}')
    result = cli("user", "set-email", "ada", "Ada@Example.com", "--verified")
    assert result.stderr == "Set the email address of ada to Ada@Example.com (verified).\n" and result.stdout == ""
    claims = {"name": "Ada", "email": "Ada@Example.com", "email_verified": True}
    assert data("user", "show", "ada")["claims"] == claims


def test_an_address_is_not_verified_unless_the_operator_says_so(data: Callable[..., Any]) -> None:
    email = {"email": "ada@example.com", "email_verified": False}
    assert data("user", "set-email", "ADA", "ada@example.com") == {"username": "ada"} | email
    assert data("user", "show", "ada")["claims"] == email


@pytest.mark.parametrize("write", ["set-email", "set-claims"])
def test_the_verified_address_of_another_user_is_refused_in_words(
    cli: Callable[..., Result], data: Callable[..., Any], write: str
) -> None:
    cli("user", "set-email", "ada", "ada@example.com", "--verified")
    claims = '{"email": "ADA@example.com", "email_verified": true}'
    arguments = ("ADA@example.com", "--verified") if write == "set-email" else ()
    result = cli("user", write, "bob", *arguments, input=claims, code=3)
    assert "Another user has the verified address ada@example.com." in result.stderr
    assert data("user", "show", "bob")["claims"] == {}
    cli("user", "set-email", "bob", "ada@example.com", "--unverified")


@pytest.mark.parametrize("address", ["ada", "ada@example.com\nBcc: eve@example.com", "\u0131@example.com", ""])
def test_what_mail_cannot_be_sent_to_is_a_usage_error(cli: Callable[..., Result], address: str) -> None:
    assert "ada@example.com" in cli("user", "set-email", "ada", address, code=2).stderr
