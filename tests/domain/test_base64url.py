"""base64url without padding (RFC 7515 s2): one spelling for each value."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authserver.domain import base64url


@given(st.binary(max_size=100))
def test_what_is_encoded_is_decoded_again_rfc7515_s2(data: bytes) -> None:
    text = base64url.encode(data)
    assert "=" not in text and base64url.decode(text) == base64url.decode(text.encode()) == data


OTHER_SPELLINGS = ["AA==", "AAA=", "AB", "A", "A+B/", "AAAA\n", " AAAA", "AA*AA", "\u00e9AAA", "\ud800AAA"]


@pytest.mark.parametrize("text", OTHER_SPELLINGS)
def test_any_other_spelling_is_refused_rfc7515_s2(text: str) -> None:
    with pytest.raises(ValueError):
        base64url.decode(text)
