"""Bytes to a request: nothing but two errors may come of it, and what was meant is what is read."""

from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qsl, quote_plus, urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from authserver.accounts.request import MAX_FIELDS
from authserver.domain.urlencoded import pairs_of
from authserver.oauth.request import Credentials, parse
from authserver.pipeline.errors import Refusal

text = st.text(min_size=1, max_size=30).filter(lambda text: "\0" not in text)
fast = settings(max_examples=300)
REFUSED = {("invalid_request", 400), ("invalid_client", 401)}


@contextmanager
def refused(code: Any) -> Iterator[None]:
    with pytest.raises(Refusal) as raised:
        yield
    assert raised.value.code == code


def read(body: Any, *authorization: Any) -> Any:
    return parse(body, {"authorization": authorization}, arrived_at=7, network="192.0.2.0/24")


@pytest.mark.thorough
@fast
@given(st.dictionaries(text, text, max_size=8), st.lists(text, max_size=3))
def test_rfc6749_appendix_b_what_was_encoded_is_what_is_read(form: Any, resources: Any) -> None:
    form = {name: value for name, value in form.items() if name not in ("resource", "audience")} | {"client_id": "app"}
    form.pop("client_secret", None)
    body = urlencode([*form.items(), *(("resource", value) for value in resources)])
    request = read(body.encode())
    assert request.form == form
    assert request.resources == tuple(dict.fromkeys(resources))
    assert request.credentials == Credentials("none", "app")
    assert (request.arrived_at, request.network) == (7, "192.0.2.0/24")


@pytest.mark.thorough
@settings(max_examples=1000)
@given(st.text(st.sampled_from("ab=&+%20C3A9fF\udcffé\0"), max_size=40), st.sampled_from(("strict", "surrogateescape")))
def test_rfc6749_appendix_b_pairs_are_those_that_the_standard_library_reads(text: str, errors: str) -> None:
    try:
        expected = parse_qsl(text, True, errors=errors, max_num_fields=MAX_FIELDS)
    except ValueError:
        with pytest.raises(ValueError):
            pairs_of(text, limit=MAX_FIELDS, errors=errors)
    else:
        assert pairs_of(text, limit=MAX_FIELDS, errors=errors) == expected


@pytest.mark.parametrize("fields", [MAX_FIELDS, MAX_FIELDS + 1])
def test_a_form_has_at_most_64_fields(fields: int) -> None:
    body = "&".join(["client_id=app"] + ["a="] * (fields - 1)).encode()
    with refused("invalid_request"):  # a parameter is repeated, or there are too many
        read(body)


@fast
@given(st.binary(max_size=120), st.lists(st.text(st.characters(max_codepoint=255), max_size=40), max_size=2))
def test_no_bytes_raise_anything_but_the_two_errors(body: Any, authorization: Any) -> None:
    try:
        request = read(body, *authorization)
    except Refusal as refusal:
        assert (refusal.code, refusal.status) in REFUSED
        return
    assert request.credentials.client_id
    assert all(request.form.values())


@fast
@given(text, text)
def test_rfc6749_2_3_1_any_id_and_secret_are_read_from_a_basic_header(client_id: Any, secret: Any) -> None:
    encoded = f"{quote_plus(client_id)}:{quote_plus(secret)}".encode()
    request = read(b"", "Basic " + b64encode(encoded).decode())
    assert request.credentials == Credentials("client_secret_basic", client_id, secret, by_header=True)
    assert read(b"", "Basic   " + b64encode(encoded).decode()) == request


@fast
@given(text)
def test_basic_with_an_empty_secret_does_not_authenticate(client_id: Any) -> None:
    request = read(b"", "Basic " + b64encode(f"{quote_plus(client_id)}:".encode()).decode())
    assert request.credentials == Credentials("none", client_id, by_header=True)


@fast
@given(text, text)
def test_rfc6749_2_3_1_any_id_and_secret_are_read_from_the_body(client_id: Any, secret: Any) -> None:
    request = read(urlencode({"client_id": client_id, "client_secret": secret}).encode())
    assert request.credentials == Credentials("client_secret_post", client_id, secret)


OTHER_SCHEMES = ["", "basic\tYTpi", "Negotiate YTpi", "Bearer x", "YTpi"]


@pytest.mark.parametrize("value", ["Basic", "Basic ", "Basic  ", *OTHER_SCHEMES])
def test_what_is_not_basic(value: Any) -> None:
    with refused("invalid_client"):
        read(b"", value)


@pytest.mark.parametrize("value", OTHER_SCHEMES)
def test_another_scheme_beside_a_client_id_is_ignored(value: str) -> None:
    assert read(b"client_id=a", value).credentials == Credentials("none", "a")


def test_rfc6749_2_3_two_authorization_headers_are_malformed_whatever_they_say() -> None:
    with refused("invalid_request"):
        read(b"client_id=a", "Bearer x", "Bearer x")


@pytest.mark.parametrize("text", ["%FF:x", "x:%FF", "x:%C0%80", "%ED%A0%80:x", "x:\udcff"])
def test_basic_of_what_is_not_utf_8_however_it_is_encoded(text: str) -> None:
    with refused("invalid_client"):
        read(b"", "Basic " + b64encode(text.encode(errors="surrogateescape")).decode())


@pytest.mark.parametrize("text", ["", ":", ":secret", "app", "\0:secret", "app%00:secret", "app:\0", "app:secret%00"])
def test_basic_without_an_id_or_a_colon_or_with_a_nul_is_refused(text: str) -> None:
    with refused("invalid_client"):
        read(b"", "Basic " + b64encode(text.encode()).decode())
