"""Reading forms and query strings: the result is that of Python's own `parse_qsl`, whatever was read before."""

from urllib.parse import parse_qsl

import pytest

from authserver.domain.urlencoded import pairs_of

QUERIES = (
    "redirect_uri=https%3A%2F%2Fapp.example%2Fcallback&scope=openid+email",
    "redirect_uri=" + "%41" * 300,
    "scope=%FF&state=%FF",
    "scope=%zz+%2&redirect_uri=%C3%A9+é",
    "password=a+b%21",
)


@pytest.mark.parametrize("query", QUERIES)
def test_a_value_that_is_sent_again_is_read_as_it_was_the_first_time(query: str) -> None:
    expected = parse_qsl(query, True, errors="surrogateescape")
    for _ in range(2):
        assert pairs_of(query, limit=64, errors="surrogateescape") == expected


def test_a_scope_that_is_not_utf8_is_an_error_in_a_form_though_a_query_had_it_before() -> None:
    assert pairs_of("scope=%FE", limit=64, errors="surrogateescape") == [("scope", "\udcfe")]
    with pytest.raises(UnicodeDecodeError):
        pairs_of("scope=%FE", limit=64)
