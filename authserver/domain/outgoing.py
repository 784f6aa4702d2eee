"""Which URLs the server may fetch or post to, and which addresses it may connect to."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from urllib.parse import SplitResult, urlsplit

from .hosts import address_of, is_canonical

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
# The IANA registries of special-purpose addresses (RFC 6890). Not `is_global`: versions of Python differ in it, and it
# says yes to multicast, 6to4 and NAT64.
_LOOPBACK: tuple[Address, ...] = (IPv4Address("127.0.0.1"), IPv6Address("::1"))
_GLOBAL_UNICAST = IPv6Network("2000::/3")
_SPECIAL = tuple(
    map(
        ip_network,
        (
            "0.0.0.0/8",  # this host
            "10.0.0.0/8",  # private
            "100.64.0.0/10",  # shared, behind a provider's NAT; the metadata service of one cloud
            "127.0.0.0/8",  # loopback
            "168.63.129.16/32",  # the host of a virtual machine in another cloud
            "169.254.0.0/16",  # link-local: the metadata services of most clouds
            "172.16.0.0/12",  # private
            "192.0.0.0/24",  # protocol assignments
            "192.0.2.0/24",  # documentation
            "192.88.99.0/24",  # 6to4 relays
            "192.168.0.0/16",  # private
            "198.18.0.0/15",  # benchmarks
            "198.51.100.0/24",  # documentation
            "203.0.113.0/24",  # documentation
            "224.0.0.0/3",  # multicast, reserved, broadcast
            "2001::/23",  # protocol assignments, with Teredo, which contains an IPv4 address
            "2001:db8::/32",  # documentation
            "2002::/16",  # 6to4, which contains an IPv4 address
            "3fff::/20",  # documentation
        ),
    )
)


@dataclass(frozen=True, slots=True)
class AllowList:
    """What the operator allows beyond public addresses and https."""

    hosts: frozenset[str] = frozenset()
    """In lower case. They may have any address."""
    networks: tuple[Network, ...] = ()

    def names(self, host: str) -> bool:
        """Whether the host of a URL is in the list, as a name or by its address."""
        address = address_of(host)
        return host in self.hosts or (address is not None and self._includes(address))

    def allows(self, host: str, address: Address) -> bool:
        """Whether the server may connect to this address of the host."""
        return host in self.hosts or is_public(address) or self._includes(address)

    def _includes(self, address: Address) -> bool:
        return any(address in network for network in self.networks)


def is_public(address: Address) -> bool:
    """Whether the address belongs to a host on the internet. Forms that contain an IPv4 address (IPv4-mapped, NAT64,
    6to4, Teredo) do not: they could lead anywhere."""
    if address.version == 6 and address not in _GLOBAL_UNICAST:
        return False
    return not any(address in network for network in _SPECIAL)


def allow_list(text: str) -> AllowList:
    """Parse host names, addresses and networks, separated by commas. Raises ValueError, saying what is wrong."""
    words = [word for word in map(str.strip, text.split(",")) if word]
    networks = [_network(word) for word in words]
    hosts = [word for word, network in zip(words, networks, strict=True) if network is None]
    return AllowList(frozenset(hosts), tuple(network for network in networks if network is not None))


def url_fault(url: str, allowed: AllowList) -> str | None:
    """Return why the server may not send requests to this URL; None if it may."""
    fault = form_fault(url)
    if fault is not None:
        return fault
    parts = urlsplit(url)
    if parts.scheme == "http" and not allowed.names(parts.hostname or ""):
        return "is http, and AUTHSERVER_FETCH_ALLOW does not name its host"
    return None


def why_out_of_reach(url: str, allowed: AllowList) -> str | None:
    """Return why no request can ever reach this URL, whatever its name resolves to; None if one may."""
    fault = url_fault(url, allowed)
    host = urlsplit(url).hostname or "" if fault is None else ""
    address = address_of(host)
    addresses = _LOOPBACK if host == "localhost" or host.endswith(".localhost") else [address] if address else []
    if addresses and not any(allowed.allows(host, each) for each in addresses):
        return "has an internal address, which AUTHSERVER_FETCH_ALLOW does not name"
    return fault


def form_fault(url: str) -> str | None:
    """Return what is wrong with the form of this URL; None if nothing is."""
    parts = _parts(url)
    if parts is None or parts.scheme not in ("https", "http"):
        return "is not a URL that begins with https://"
    if "@" in parts.netloc or "#" in url or not _is_host_and_port(parts):
        return "is not a host in lower case, an optional port, a path and a query"
    return None


def refused_address(host: str, addresses: Collection[Address], allowed: AllowList) -> Address | None:
    """Return the first of a host's addresses that the server may not connect to. One is enough to refuse the host."""
    return next((address for address in addresses if not allowed.allows(host, address)), None)


def _parts(url: str) -> SplitResult | None:
    try:
        return urlsplit(url) if re.fullmatch(r"[\x21-\x7e]{1,2000}", url) else None
    except ValueError:  # brackets without an IPv6 address between them
        return None


def _is_host_and_port(parts: SplitResult) -> bool:
    form = re.fullmatch(r"(\[[^\]]*\]|[^:\[\]]+)(?::([1-9][0-9]{0,4}))?", parts.netloc)
    return form is not None and is_canonical(form[1]) and int(form[2] or 1) < 65536


def _network(word: str) -> Network | None:
    """Return the network that the word is; None for a host name."""
    try:
        network = ip_network(word)
    except ValueError as error:
        if "/" not in word and is_canonical(word):
            return None
        fault = f"names {word!r}, which is not a host in lower case, an address or a network ({error})"
        raise ValueError(fault) from None
    if network.prefixlen == 0:
        raise ValueError(f"names {word!r}, which is every address")
    return network
