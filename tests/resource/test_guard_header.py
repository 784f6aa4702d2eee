"""RFC 6750: what of an Authorization header is a token."""

import pytest

from authserver.resource import InvalidRequest, TokenMissing, TokenRejected
from authserver.resource.bearer import bearer_token


@pytest.mark.parametrize(
    "value",
    ["Bearer abc.def", "bearer abc.def", "BEARER abc.def", "Bearer   abc.def", " Bearer abc.def ", "bEaReR abc.def"],
)
def test_rfc9110_s11_1_the_scheme_is_accepted_in_any_case(value: str) -> None:
    assert bearer_token([value]) == "abc.def"


@pytest.mark.parametrize(
    "values", [["Bearer a", "Bearer b"], ["Bearer a", "Bearer a"], ["Basic a", "Bearer b"], ["Bearer a", ""]]
)
def test_two_authorization_headers_are_an_invalid_request(values: list[str]) -> None:
    with pytest.raises(InvalidRequest) as refused:
        bearer_token(values)
    assert refused.value.status == 400 and refused.value.error == "invalid_request"


@pytest.mark.parametrize(
    "value",
    [
        "Bearer a b",
        "Bearer a,Bearer b",
        "Bearer a, Bearer b",
        "Bearer a,b",
        "Bearer",
        "Bearer ",
        "Bearer =",
        "Bearer a=b",
        'Bearer "a"',
        "Bearer a\tb",
        "Bearer \ta",
        "Bearer é",
        "Bearer a\0",
        "Bearer a\n",
    ],
)
def test_not_one_token(value: str) -> None:
    with pytest.raises(InvalidRequest):
        bearer_token([value])


@pytest.mark.parametrize(
    "values",
    [[], [""], ["Basic dTpw"], ["DPoP abc"], ["Basic a, Bearer b"], ["abc.def"], ["Bearerabc"], ["Bearer\tabc"]],
)
def test_rfc6750_s3_1_no_token_is_401_without_an_error_code(values: list[str]) -> None:
    with pytest.raises(TokenMissing) as refused:
        bearer_token(values)
    assert refused.value.status == 401 and refused.value.challenge() == {}


def test_a_token_of_8_kib_is_read_and_one_byte_more_is_rejected() -> None:
    assert bearer_token(["Bearer " + "a" * 8192]) == "a" * 8192
    with pytest.raises(TokenRejected):
        bearer_token(["Bearer " + "a" * 8193])


@pytest.mark.parametrize("value", ["Bearer " + "a" * 100_000, "Bearer " + "a " * 50_000])
def test_a_header_of_100_kb_is_rejected(value: str) -> None:
    with pytest.raises(TokenRejected) as refused:
        bearer_token([value])
    assert refused.value.status == 401
