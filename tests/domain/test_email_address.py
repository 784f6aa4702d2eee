"""Email addresses: which ones mail can be sent to, and when two are the same."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authserver.domain.email_address import canonical, verified_in
from authserver.passwords import username_form


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("ada@example.com", "ada@example.com"),
        ("Ada.Lovelace+notes@Example.COM", "ada.lovelace+notes@example.com"),
        ("o'brien@xn--bcher-kva.example", "o'brien@xn--bcher-kva.example"),
        ("root@localhost", "root@localhost"),
        (f"{'a' * 64}@{'b' * 63}.example", f"{'a' * 64}@{'b' * 63}.example"),
    ],
)
def test_an_address_has_one_form_in_all_its_spellings(text: str, address: str) -> None:
    assert canonical(text) == address


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "ada",
            "@example.com",
            "ada@",
            "ada@@example.com",
            "ada@example..com",
            "ada@-example.com",
            "ada@example-",
        ),
        *(".ada@example.com", "ada.@example.com", "a..b@example.com", '"a b"@example.com', "a b@example.com"),
        *("ada@example.com\n", "ada@example.com\r\nBcc: eve@example.com", "ada@example.com,eve@example.com"),
        *("<ada@example.com>", "Ada <ada@example.com>", "ada@[127.0.0.1]", "ada@exa\0mple.com", "ada(x)@example.com"),
        *(f"{'a' * 65}@example.com", f"ada@{'b' * 64}.example", f"a@{'b.' * 126}cc"),
    ],
)
def test_what_mail_cannot_be_sent_to_is_no_address_rfc5321_4_1_2(text: str) -> None:
    assert canonical(text) is None


@pytest.mark.parametrize(
    "text", ["m\u0131ke@example.com", "ada@\u0131bm.com", "\uff41da@example.com", "ada@stra\u00dfe.de"]
)
def test_a_letter_that_becomes_another_in_another_case_does_not_find_somebody_else(text: str) -> None:
    assert canonical(text) is None


@given(st.emails())
def test_the_form_is_a_username_and_its_own_form(text: str) -> None:
    address = canonical(text)
    if address is not None:
        assert canonical(address) == username_form(address) == address


@pytest.mark.parametrize(
    ("claims", "address"),
    [
        ({"email": "Ada@Example.com", "email_verified": True}, "ada@example.com"),
        ({"email": "ada@example.com", "email_verified": False}, None),
        ({"email": "ada@example.com"}, None),
        ({"email_verified": True}, None),
        ({"email": "not an address", "email_verified": True}, None),
        ({"email": "ada@example.com", "email_verified": 1}, None),
        ({}, None),
    ],
)
def test_only_an_address_that_the_claims_call_verified_counts(claims: dict[str, object], address: str | None) -> None:
    assert verified_in(claims) == address
