"""No spelling of an address, and nothing that a name resolves to, leads the guard of outgoing requests inside."""

import asyncio
import socket
from collections.abc import Sequence
from ipaddress import ip_address
from typing import Any

import pytest

from authserver.domain.outgoing import Address, AllowList, allow_list
from authserver.fetch import Fetcher, FetchFailed, addresses

HOST = "rp.example"
Connected = list[str]


@pytest.fixture(autouse=True)
def connected(monkeypatch: pytest.MonkeyPatch) -> Connected:
    """The addresses to which a connection was tried; none succeeds."""
    tried: Connected = []

    def connect(address: tuple[str, int], *_: Any, **__: Any) -> socket.socket:
        tried.append(address[0])
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "create_connection", connect)
    return tried


def fetch(url: str, answer: str = "", allowed: AllowList | None = None) -> str:
    """Why it failed, if the host of the URL has these addresses."""

    def resolve(host: str) -> Sequence[Address]:
        return [ip_address(word) for word in answer.split()] or addresses.resolve(host)

    async def post(fetcher: Fetcher) -> None:
        await fetcher.post(url, b"", {})

    fetcher = Fetcher(allowed or AllowList(), resolve)
    try:
        with pytest.raises(FetchFailed) as failed:
            asyncio.run(post(fetcher))
    finally:
        fetcher.close()
    return str(failed.value)


def test_a_public_address_is_connected_to(connected: Connected) -> None:
    """So that the other tests do not pass for another reason."""
    assert "There was no response" in fetch(f"https://{HOST}/", "8.8.8.8 2606:4700::1111")
    assert connected == ["8.8.8.8", "2606:4700::1111"]


INSIDE = {
    "this host": "0.0.0.0",
    "loopback": "127.0.0.1",
    "loopback, another": "127.255.255.254",
    "private, class A": "10.0.0.1",
    "private, class B": "172.16.0.1",
    "private, class B, the last": "172.31.255.255",
    "private, class C": "192.168.1.1",
    "behind a provider's NAT": "100.64.0.1",
    "link-local": "169.254.0.1",
    "metadata of AWS, Azure and Google": "169.254.169.254",
    "metadata of AWS ECS": "169.254.170.2",
    "metadata of Alibaba": "100.100.100.200",
    "metadata of Oracle": "192.0.0.192",
    "host of Azure": "168.63.129.16",
    "benchmarks": "198.18.0.1",
    "documentation": "203.0.113.1",
    "multicast": "224.0.0.1",
    "reserved": "240.0.0.1",
    "broadcast": "255.255.255.255",
    "IPv6 unspecified": "::",
    "IPv6 loopback": "::1",
    "IPv6 link-local": "fe80::1",
    "IPv6 link-local with a zone": "fe80::1%1",
    "IPv6 site-local": "fec0::1",
    "IPv6 unique local": "fd00::1",
    "IPv6 metadata of AWS": "fd00:ec2::254",
    "IPv6 multicast": "ff02::1",
    "IPv6 documentation": "2001:db8::1",
    "IPv4-mapped": "::ffff:127.0.0.1",
    "IPv4-mapped, in hexadecimal digits": "::ffff:a9fe:a9fe",
    "IPv4-mapped, of a public address": "::ffff:8.8.8.8",
    "IPv4-compatible": "::127.0.0.1",
    "IPv4-translated": "::ffff:0:127.0.0.1",
    "NAT64": "64:ff9b::169.254.169.254",
    "NAT64, local": "64:ff9b:1::10.0.0.1",
    "6to4": "2002:a9fe:a9fe::1",
    "Teredo": "2001:0:7f00:1::1",
    "discard-only": "100::1",
    "segment routing": "5f00::1",
}


@pytest.mark.parametrize("address", INSIDE.values(), ids=INSIDE.keys())
@pytest.mark.parametrize("before", ["", "8.8.8.8 "], ids=["alone", "after a public one"])
def test_a_name_with_an_address_inside_gets_no_connection(address: str, before: str, connected: Connected) -> None:
    assert "which is not public" in fetch(f"https://{HOST}/", before + address)
    assert connected == []


@pytest.mark.parametrize("address", INSIDE.values(), ids=INSIDE.keys())
def test_an_address_inside_gets_no_connection_as_the_host_of_a_url(address: str, connected: Connected) -> None:
    for host in {address, str(ip_address(address))}:
        fetch(f"https://[{host}]/" if ":" in host else f"https://{host}/")
    assert connected == []


SPELLINGS = {
    "decimal": "2130706433",
    "hexadecimal": "0x7f000001",
    "hexadecimal parts": "0x7f.0x0.0x0.0x1",
    "octal": "017700000001",
    "octal parts": "0177.0.0.01",
    "zeros before": "127.000.000.001",
    "short": "127.1",
    "very short": "0",
    "dot after it": "127.0.0.1.",
    "dot after a name": "localhost.",
    "capital letters": "LOCALHOST",
    "other digits": "①②⑦.⓪.⓪.①",
    "wide digits": "１２７.0.0.1",
    "another dot": "127。0。0。1",
    "soft hyphen": "local\u00adhost",
    "percent-encoded": "%31%32%37.0.0.1",
    "percent-encoded name": "%6cocalhost",
    "IPv6 without brackets": "::1",
    "IPv6 with zeros": "[0:0:0:0:0:0:0:1]",
    "IPv6 with a zone": "[fe80::1%25eth0]",
    "user before it": "rp.example@127.0.0.1",
    "user and password before it": "rp.example:443@127.0.0.1",
    "backslash": "rp.example\\@127.0.0.1",
    "fragment": "127.0.0.1#@rp.example",
    "line break": "127.0.0.1\r\nHost: rp.example",
    "tab within": "local\thost",
    "space after it": "127.0.0.1 ",
    "NUL": "127.0.0.1\0.rp.example",
    "empty": "",
    "empty label": "rp..example",
    "underscore": "rp_1.example",
    "label too long": "a" * 64,
    "name too long": ".".join(["a" * 60] * 5),
    "port 0": "rp.example:0",
    "port too large": "rp.example:65536",
    "port in other digits": "rp.example:４４３",
    "two ports": "rp.example:443:80",
}


@pytest.mark.parametrize("host", SPELLINGS.values(), ids=SPELLINGS.keys())
def test_a_host_that_is_not_spelled_in_the_one_way_is_not_even_resolved(host: str, connected: Connected) -> None:
    assert fetch(f"https://{host}/", "8.8.8.8").startswith("The URL ")
    assert connected == []


@pytest.mark.parametrize(
    "url",
    [
        *("file:///etc/passwd", "gopher://rp.example/", "ftp://rp.example/", "dict://rp.example:11211/", "data:,x"),
        *("//rp.example/", "rp.example", "javascript:1", "http://rp.example/", ""),
        *(
            " https://rp.example/",
            "https://rp.example/\r\nX: 1",
            "https://rp.example/ä",
            f"https://rp.example/{'x' * 2000}",
        ),
        *("unix:/run/docker.sock", "https+unix://rp.example/", "jar:https://rp.example/!/x"),
    ],
)
def test_what_is_not_https_is_not_even_resolved(url: str, connected: Connected) -> None:
    assert fetch(url, "8.8.8.8").startswith("The URL ")
    assert connected == []


@pytest.mark.parametrize("host", ["localhost", "localhost.localdomain", "ip6-localhost"])
def test_names_of_this_machine_get_no_connection(host: str, connected: Connected) -> None:
    reason = fetch(f"https://{host}/")
    assert "is not public" in reason or "has no address" in reason
    assert connected == []


def test_a_name_in_other_letters_is_accepted_in_its_ascii_form_alone(connected: Connected) -> None:
    assert fetch("https://bücher.example/", "8.8.8.8").startswith("The URL ")
    assert connected == []
    fetch("https://xn--bcher-kva.example/", "8.8.8.8")
    assert connected == ["8.8.8.8"]


def test_a_name_without_any_address_is_a_failure(connected: Connected, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(addresses, "resolve", lambda host: [])
    assert "has no address" in fetch(f"https://{HOST}/")
    assert connected == []


@pytest.mark.parametrize("change", [(), ("8.8.8.8",), ("10.0.0.1", "8.8.8.8")], ids=["never", "to public", "twice"])
def test_a_name_that_changes_its_address_between_two_requests_is_checked_each_time(
    change: Sequence[str], connected: Connected
) -> None:
    """DNS rebinding: what was public for the first request says nothing of the second."""
    answers = ["8.8.4.4", *change]

    def resolve(host: str) -> Sequence[Address]:
        return [ip_address(answers.pop(0))]

    async def post_all(fetcher: Fetcher) -> None:
        while answers:
            with pytest.raises(FetchFailed):
                await fetcher.post(f"https://{HOST}/", b"", {})

    fetcher = Fetcher(AllowList(), resolve)
    asyncio.run(post_all(fetcher))
    fetcher.close()
    assert connected == ["8.8.4.4", *(address for address in change if address != "10.0.0.1")]


@pytest.mark.parametrize(
    ("allow", "url", "answer", "is_allowed"),
    [
        ("10.0.0.0/8", f"https://{HOST}/", "10.0.0.1", True),
        ("10.0.0.0/8", f"https://{HOST}/", "10.0.0.1 127.0.0.1", False),
        ("10.0.0.0/8", f"https://{HOST}/", "::ffff:10.0.0.1", False),
        ("10.0.0.0/8", f"http://{HOST}/", "10.0.0.1", False),
        ("10.0.0.0/8", "http://10.0.0.1/", "10.0.0.1", True),
        (HOST, f"http://{HOST}/", "10.0.0.1", True),
        (HOST, f"https://sub.{HOST}/", "10.0.0.1", False),
        (HOST, f"https://{HOST}./", "10.0.0.1", False),
        ("fd00::/8", f"https://{HOST}/", "fd00::1", True),
        ("169.254.169.254", f"https://{HOST}/", "169.254.170.2", False),
    ],
)
def test_the_allow_list_opens_what_it_names_and_nothing_beside_it(
    allow: str, url: str, answer: str, is_allowed: bool, connected: Connected
) -> None:
    fetch(url, answer, allow_list(allow))
    assert bool(connected) is is_allowed


def test_the_allow_list_of_nothing_is_no_allow_list(connected: Connected) -> None:
    fetch(f"https://{HOST}/", "10.0.0.1", allow_list(""))
    assert connected == []
