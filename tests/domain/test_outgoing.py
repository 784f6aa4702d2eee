"""Which URLs and addresses the server may send requests to."""

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from authserver.domain.outgoing import AllowList, allow_list, is_public, refused_address, url_fault, why_out_of_reach

NOBODY = AllowList()
ADDRESSES = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6))


@given(ADDRESSES)
@example(ip_address("169.254.169.254"))
@example(ip_address("fd00:ec2::254"))
@example(ip_address("64:ff9b::808:808"))
@example(ip_address("ff0e::1"))
@example(ip_address("224.0.0.1"))
@example(ip_address("100.100.100.200"))
@example(ip_address("255.255.255.255"))
@example(ip_address("::"))
def test_a_public_address_has_no_special_purpose(address: IPv4Address | IPv6Address) -> None:
    special = (
        address.is_private,
        address.is_loopback,
        address.is_link_local,
        address.is_multicast,
        address.is_unspecified,
        address.is_reserved,
        not address.is_global,
    )
    assert not (is_public(address) and any(special))


@given(st.ip_addresses(v=4))
def test_no_form_that_contains_an_ipv4_address_is_public(address: IPv4Address) -> None:
    four, low = int(address), int(address) ^ 0xFFFFFFFF
    mapped, compatible, nat64 = (0xFFFF << 32) | four, four, (0x64FF9B << 96) | four
    six_to_four, teredo = (0x2002 << 112) | (four << 80), (0x20010000 << 96) | low
    for number in (mapped, compatible, nat64, six_to_four, teredo):
        assert not is_public(IPv6Address(number))


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "172.15.0.1", "172.32.0.1", "2606:4700::1111", "2a00::1"])
def test_ordinary_addresses_are_public(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize("address", ["168.63.129.16", "10.0.0.1", "127.1.2.3", "198.18.0.1", "3fff::1", "5f00::1"])
def test_special_addresses_are_not(address: str) -> None:
    assert not is_public(ip_address(address))


@given(st.lists(ADDRESSES, min_size=1))
def test_one_address_that_is_not_public_refuses_the_host(addresses: list[IPv4Address | IPv6Address]) -> None:
    refused = refused_address("hooks.example", addresses, NOBODY)
    assert (refused is None) == all(map(is_public, addresses))


@pytest.mark.parametrize(
    ("allow", "host", "address", "is_allowed"),
    [
        ("hooks.internal", "hooks.internal", "10.0.0.1", True),
        ("hooks.internal", "other.internal", "10.0.0.1", False),
        ("10.0.0.0/8, ::1", "any.example", "10.0.0.1", True),
        ("10.0.0.0/8, ::1", "any.example", "::1", True),
        ("10.0.0.0/8", "any.example", "::ffff:10.0.0.1", False),
        ("10.0.0.0/8", "any.example", "11.0.0.1", True),
        ("10.0.0.0/8", "any.example", "192.168.0.1", False),
        ("192.168.0.7", "192.168.0.7", "192.168.0.7", True),
    ],
)
def test_the_allow_list_names_hosts_and_networks(allow: str, host: str, address: str, is_allowed: bool) -> None:
    assert allow_list(allow).allows(host, ip_address(address)) == is_allowed


@pytest.mark.parametrize(
    "text", ["Hooks.internal", "0.0.0.0/0", "10.0.0.1/8", "http://a", "a b", "127.1", "a/8", "[::"]
)
def test_a_word_that_is_no_host_address_or_network_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="names "):
        allow_list(f"10.0.0.0/8,{text}")


@given(st.text())
def test_any_text_is_an_allow_list_or_a_value_error(text: str) -> None:
    try:
        allow_list(text)
    except ValueError as error:
        assert "names" in str(error)


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("https://hooks.example/audit?x=1", None),
        ("https://hooks.example:8443", None),
        ("https://[2606:4700::1111]/", None),
        ("http://hooks.internal:8000/", None),
        ("http://10.1.2.3/", None),
        ("http://hooks.example/", "is http, and AUTHSERVER_FETCH_ALLOW does not name its host"),
        ("ftp://hooks.example/", "is not a URL that begins with https://"),
        ("hooks.example", "is not a URL that begins with https://"),
        ("https://hooks.example/a b", "is not a URL that begins with https://"),
        ("https://[hooks", "is not a URL that begins with https://"),
        ("https://user:secret@hooks.example/", "is not a host in lower case"),
        ("https://hooks.example/#there", "is not a host in lower case"),
        ("https://hooks.example:99999/", "is not a host in lower case"),
        ("https://HOOKS.example/", "is not a host in lower case"),
        ("https://0x7f.1/", "is not a host in lower case"),
        ("https://2130706433/", "is not a host in lower case"),
        ("https:///path", "is not a host in lower case"),
    ],
)
def test_a_url_has_a_fault_or_none(url: str, fault: str | None) -> None:
    found = url_fault(url, allow_list("hooks.internal,10.0.0.0/8"))
    assert found == fault or (found and fault and found.startswith(fault))


@pytest.mark.parametrize(
    ("url", "allowed", "reachable"),
    [
        ("https://app.example/", "", True),
        ("https://app.internal/", "", True),  # what it resolves to is found out when it is sent
        ("http://app.internal/", "", False),
        ("https://10.1.2.3/", "", False),
        ("https://10.1.2.3/", "10.0.0.0/8", True),
        ("https://169.254.169.254/", "", False),
        ("https://[fd00::1]/", "", False),
        ("https://[fd00::1]/", "fd00::/8", True),
        ("https://[2606:4700::1111]/", "", True),
        ("https://localhost/", "", False),
        ("https://app.localhost/", "", False),
        ("https://localhost/", "localhost", True),
        ("https://localhost/", "127.0.0.0/8", True),
    ],
)
def test_what_no_request_can_ever_reach(url: str, allowed: str, reachable: bool) -> None:
    assert (why_out_of_reach(url, allow_list(allowed)) is None) == reachable


@given(st.text(), st.sampled_from(["", "https://", "http://", "https://a.example", "https://["]))
def test_any_text_is_a_url_or_has_a_fault(text: str, start: str) -> None:
    fault = url_fault(start + text, NOBODY)
    assert fault is not None or start.startswith("https") or text.startswith("https")
