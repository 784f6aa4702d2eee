"""Whose word on a caller's address is taken, and that nobody else's X-Forwarded-For counts."""

from ipaddress import IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authserver.domain.forwarded import (
    MAX_HOPS,
    Address,
    address_of_node,
    caller,
    hops,
    network,
    plain,
    trusted_proxies,
)

PROXIES = trusted_proxies("10.0.0.0/8, 192.0.2.7,2001:db8:ffff::/48")
PROXY, CLIENT = ip_address("10.1.2.3"), ip_address("203.0.113.9")
trusted = st.sampled_from(["10.1.2.3", "10.255.0.1", "192.0.2.7", "2001:db8:ffff::1"])
others = st.ip_addresses().map(plain).filter(lambda address: not PROXIES.trusts(address))
junk = st.text(st.characters(max_codepoint=255), max_size=40)


def written(address: Address) -> str:
    return f"[{address}]:4711" if isinstance(address, IPv6Address) else str(address)


def asked(forwarded_for: list[str], forwarded: list[str] = [], peer: Address | None = PROXY) -> Address | None:  # noqa: B006
    return caller(peer, hops(forwarded_for, forwarded), PROXIES)


@given(others, st.lists(junk, max_size=3), st.lists(junk, max_size=3))
def test_a_peer_that_is_no_trusted_proxy_says_nothing(
    peer: Address, forwarded_for: list[str], forwarded: list[str]
) -> None:
    assert asked(forwarded_for, forwarded, peer) == peer
    assert caller(peer, hops(forwarded_for, forwarded), trusted_proxies("")) == peer


@given(st.lists(junk, max_size=3), others, st.lists(trusted, max_size=5))
def test_what_stands_left_of_the_right_most_untrusted_hop_makes_no_difference(
    made_up: list[str], client: Address, chain: list[str]
) -> None:
    """Each trusted proxy appends who called it: the caller is who called the first of them."""
    assert asked([*made_up, ", ".join([written(client), *chain])]) == client
    elements = [f"for={node}" for node in chain]
    assert asked([], [*made_up, ", ".join([f'proto=https;For="{written(client)}";by=_x', *elements])]) == client


@given(st.lists(junk, max_size=5), st.lists(junk, max_size=5), st.lists(trusted, max_size=3))
def test_anything_at_all_yields_an_address_that_somebody_wrote(
    forwarded_for: list[str], forwarded: list[str], chain: list[str]
) -> None:
    found = asked([*forwarded_for, *chain], forwarded)
    text = ",".join([*forwarded_for, *chain, *forwarded])
    assert found == PROXY or found in (address_of_node(node) for node in hops([text], []) + hops([], [text]))


@pytest.mark.parametrize(
    ("node", "address"),
    [
        ("203.0.113.9", "203.0.113.9"),
        (" \t203.0.113.9\t", "203.0.113.9"),
        ("203.0.113.9:443", "203.0.113.9"),
        ("203.0.113.9:_port", "203.0.113.9"),
        ("2001:db8::1", "2001:db8::1"),
        ("[2001:DB8::1]", "2001:db8::1"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("[::ffff:203.0.113.9]:80", "203.0.113.9"),
    ],
)
def test_rfc7239_6_an_address_however_proxies_write_it(node: str, address: str) -> None:
    assert address_of_node(node) == ip_address(address)
    assert asked([f"1.1.1.1, {node}"]) == asked([], [f'for="{node.strip()}"']) == ip_address(address)


@pytest.mark.parametrize(
    "node",
    ["", " ", "unknown", "_hidden", "_SEVKISEK", "localhost", "203.0.113", "203.0.113.256", "203.0.113.09", "0x7f.1"]
    + ["203.0.113.9 x", "203.0.113.9:", "[203.0.113.9", "2001:db8::1]", "[2001:db8::1]x", "fe80::1%eth0", "::1::2"]
    + ["\xa0203.0.113.9", '"203.0.113.9"', "203.0.113.9\x00", "\u0661.1.1.1", "9" * 10_000, "[" * 60, ":" * 64]
    + ["X203.0.113.9", f"203.0.113.9:{'9' * 53}"],
)
def test_rfc7239_6_a_proxy_that_does_not_say_who_called_it_stands_for_its_callers(node: str) -> None:
    assert address_of_node(node) is None
    assert asked([f"203.0.113.9, {node}"]) == PROXY
    assert asked([f"203.0.113.9, {node}, 10.9.9.9"]) == ip_address("10.9.9.9")


@pytest.mark.parametrize(
    "element",
    ["", "proto=https", "for", "for=", "for=;", "by=203.0.113.9", "xfor=203.0.113.9", "for=203.0.113.9;for=1.1.1.1"]
    + [
        'for="203.0.113.9',
        'for="\\203.0.113.9"',
        "for=203.0.113.9 x",
        "for:203.0.113.9",
        "for = 203.0.113.9",
        "for=X203.0.113.9",
        ";" * 999,
        f"for=203.0.113.9;by={'_' * 1005}",
    ],
)
def test_rfc7239_4_an_element_without_exactly_one_node_says_nothing(element: str) -> None:
    assert asked([], [f"for=203.0.113.9, {element}"]) == PROXY


def test_the_longest_node_and_the_longest_element_that_are_read() -> None:
    assert address_of_node(f"203.0.113.9:{'9' * 52}") == CLIENT
    assert asked([], [f"for=203.0.113.9;by={'_' * 1005}"]) == CLIENT


def test_a_quote_that_a_client_leaves_open_hides_nothing() -> None:
    assert asked([], ['for="1.1.1.1', "for=203.0.113.9"]) == CLIENT
    assert asked([], ['for=1.1.1.1;host="a, for=203.0.113.9']) == CLIENT


def test_x_forwarded_for_wins_over_forwarded() -> None:
    """nginx, the load balancers and most others add to it, and hand on a Forwarded that a client made up."""
    assert asked(["203.0.113.9"], ["for=1.1.1.1"]) == CLIENT
    assert asked([], ["for=203.0.113.9"]) == CLIENT


def test_10_kb_of_hops_are_looked_at_from_the_right_and_no_further() -> None:
    many = ", ".join(["10.0.0.1"] * 1000)
    assert asked([f"203.0.113.9, {many}"]) == ip_address("10.0.0.1")
    assert asked([f"{many}, 203.0.113.9, 10.0.0.1"]) == CLIENT
    assert len(hops([many], [])) == len(hops([], [many])) == MAX_HOPS


def test_a_unix_domain_socket_has_no_address_and_is_trusted_by_name() -> None:
    nodes = hops(["203.0.113.9"], [])
    assert caller(None, nodes, PROXIES) is None
    assert caller(None, nodes, trusted_proxies("unix")) == CLIENT
    assert caller(None, hops(["203.0.113.9, 10.0.0.1"], []), trusted_proxies("unix,10.0.0.0/8")) == CLIENT
    assert caller(None, hops(["unknown"], []), trusted_proxies("unix")) is None


@pytest.mark.parametrize("text", ["", " ", ",", "127.0.0.1", "127.0.0.1, ::1", "10.0.0.0/8,fd00::/8,", "unix,::1"])
def test_proxies_that_can_be_trusted(text: str) -> None:
    trusted_proxies(text)


@pytest.mark.parametrize(
    ("text", "told"),
    [("localhost", "neither an address"), ("10.0.0.1/8", "host bits"), ("10.0.0.0/33", "neither"), ("*", "neither")]
    + [("0.0.0.0/0", "every address"), ("127.0.0.1,::/0", "every address"), ("127.0.0.1 10.0.0.1", "neither")],
)
def test_proxies_that_cannot_be_trusted_are_refused_with_the_reason(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        trusted_proxies(text)


@pytest.mark.parametrize(
    ("caller", "expected"),
    [
        ("192.0.2.200", "192.0.2.0/24"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
    ],
)
def test_a_network_is_what_one_subscriber_has(caller: str, expected: str) -> None:
    assert network(ip_address(caller)) == expected
