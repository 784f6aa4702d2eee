"""Which redirect URIs are the client's own (RFC 6749 s3.1.2.3, RFC 8252 s7.3, RFC 9700 s4.1.3)."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authserver.domain.models import Client
from authserver.domain.redirect_uri import is_registered

REGISTERED = (
    "https://app.example/back?tenant=a%20b",
    "http://127.0.0.1/back",
    "http://[::1]:1234",
    "http://localhost:3000/back",
    "com.example.app:/back",
)


def client(application_type: Any) -> Client:
    return Client(
        "app", "App", "none", frozenset(), (), redirect_uris=REGISTERED, application_type=str(application_type)
    )


@pytest.mark.parametrize("application_type", ["web", "native"])
@pytest.mark.parametrize("uri", REGISTERED)
def test_rfc6749_3_1_2_3_exactly_a_registered_uri_is_accepted(uri: str, application_type: str) -> None:
    assert is_registered(uri, client(application_type))


@pytest.mark.parametrize("application_type", ["web", "native"])
@pytest.mark.parametrize(
    "uri",
    ["", "https://app.example/back", "https://app.example/back?tenant=a+b", "https://app.example/back?tenant=a%20b&c"]
    + ["https://app.example/back?tenant=a%20b#x", "https://app.example/back?tenant=a%20b\n", "HTTPS://app.example/back"]
    + ["https://app.example:443/back?tenant=a%20b", "http://app.example/back?tenant=a%20b", "https://b\u00e9.example/"]
    + ["http://localhost:4000/back", "http://localhost/back", "https://127.0.0.1/back", "http://127.0.0.2/back"]
    + ["http://127.0.0.1:1234/back/", "http://127.0.0.1:1234/BACK", "http://127.0.0.1:1234/back?a", "http://127.1/back"]
    + ["http://127.0.0.1:1234/back#", "http://127.0.0.1:0/back", "http://127.0.0.1:01/back", "http://127.0.0.1:/back"]
    + ["http://127.0.0.1:65536/back", "http://127.0.0.1:x/back", "http://127.0.0.1@evil.example/back"]
    + [
        "http://127.0.0.1:80@evil.example/back",
        "http://127.0.0.1.evil.example/back",
        "http://[::1]:1234/",
        "http://[::1",
    ]
    + [
        "com.example.app:/back2",
        "com.example.app:back",
        "http://127.0.0.1:1234/back\n",
        "http://127.0.0.1:\u0661/back",
    ],
)
def test_rfc9700_4_1_3_anything_else_is_not(uri: str, application_type: str) -> None:
    assert not is_registered(uri, client(application_type))


@pytest.mark.parametrize("uri", ["http://127.0.0.1:1/back", "http://127.0.0.1:65535/back", "http://[::1]"])
def test_rfc8252_7_3_a_native_app_may_listen_on_any_port_of_its_loopback_address(uri: str) -> None:
    assert is_registered(uri, client("native"))
    assert not is_registered(uri, client("web"))


@given(st.text(), st.sampled_from(REGISTERED), st.integers(0, 40))
def test_no_text_put_into_a_uri_makes_another_uri_of_it(text: str, uri: str, place: int) -> None:
    """Only a port can be put in, between the loopback host and the path."""
    other = uri[:place] + text + uri[place:]
    if other != uri and is_registered(other, client("native")):
        assert uri.startswith("http://127.0.0.1/") or uri.startswith("http://[::1]:")
        assert other.removeprefix("http://127.0.0.1:").removesuffix("/back").removeprefix("http://[::1]:").isdigit()
