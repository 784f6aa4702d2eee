"""The address of a caller behind proxies, from the headers that they add (Forwarded, RFC 7239, or X-Forwarded-For)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
UNIX = "unix"
MAX_HOPS = 20
_MAX_NODE = 64
_MAX_ELEMENT = 1024
# RFC 7239 s6: node = nodename [ ":" node-port ]; proxies write the same into X-Forwarded-For.
_NODE = re.compile(r"\[([0-9A-Fa-f:.]+)\](?::[\w.-]+)?|([0-9.]+)(?::[\w.-]+)?|([0-9A-Fa-f:.]+)", re.ASCII)
_FOR = re.compile(r'(?:^|;)[ \t]*for=("[^"\\]*"|[^";, \t]*)[ \t]*(?=;|$)', re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class TrustedProxies:
    """The peers whose statement of a caller's address is believed."""

    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    unix: bool = False
    """Whether peers on the Unix-domain socket, which have no address, are trusted."""

    def trusts(self, address: Address | None) -> bool:
        """Whether the peer with this address is trusted; None is a peer without an address."""
        return self.unix if address is None else any(address in network for network in self.networks)


def trusted_proxies(text: str) -> TrustedProxies:
    """Parse addresses, networks and the word `unix`, separated by commas. Raises ValueError, saying what is wrong."""
    words = [word for word in map(str.strip, text.split(",")) if word]
    return TrustedProxies(tuple(_network(word) for word in words if word != UNIX), UNIX in words)


def caller(peer: Address | None, hops: Sequence[str], trusted: TrustedProxies) -> Address | None:
    """Return the right-most address that is not a trusted proxy's. Anyone may have written the nodes left of it.

    `hops` are the nodes in the order of the header, the last one added by `peer`. If a proxy hides its caller's address
    (`unknown`, `_hidden`, anything else that is not an address), its own address is returned.
    """
    address = peer
    for hop in list(reversed(hops))[:MAX_HOPS]:
        if not trusted.trusts(address):
            break
        before = address_of_node(hop)
        if before is None:
            break
        address = before
    return address


def hops(forwarded_for: Sequence[str], forwarded: Sequence[str]) -> list[str]:
    """Return the last MAX_HOPS nodes from all X-Forwarded-For headers, or from all Forwarded headers if there are none.

    X-Forwarded-For wins: nearly every proxy adds to it, and such a proxy passes on a Forwarded header that its caller
    made up.
    """
    if forwarded_for:
        return _last(forwarded_for)
    return [_node_in(element) for element in _last(forwarded)]


def address_of_node(node: str) -> Address | None:
    """Return the address in a node; None if it contains none."""
    form = _NODE.fullmatch(node.strip(" \t")) if len(node) <= _MAX_NODE else None
    try:
        return plain(ip_address(form[1] or form[2] or form[3])) if form else None
    except ValueError:
        return None


def plain(address: Address) -> Address:
    """Return an IPv4-mapped IPv6 address as IPv4: a dual-stack socket reports IPv4 peers in that form."""
    return (isinstance(address, IPv6Address) and address.ipv4_mapped) or address


def network(address: Address) -> str:
    """Return the network of an address (a /24 or a /64), which is enough to notice that somebody is elsewhere."""
    return str(ip_network((address, 24 if address.version == 4 else 64), strict=False))


def network_named(text: str) -> str:
    """Return the network of an address, or the network itself in its usual form. Raises ValueError for anything that is
    not the network of an address: a /24 or a /64."""
    if "/" not in text:
        return network(plain(ip_address(text)))
    named = ip_network(text, strict=False)
    if named.prefixlen != (24 if named.version == 4 else 64):
        raise ValueError(f"{text} is no /24 and no /64")
    return str(named)


def _network(word: str) -> IPv4Network | IPv6Network:
    try:
        network = ip_network(word)
    except ValueError as error:
        raise ValueError(f"names {word!r}, which is neither an address nor a network ({error})") from None
    if network.prefixlen == 0:
        raise ValueError(f"names {word!r}, which is every address")
    return network


def _last(values: Sequence[str]) -> list[str]:
    return ",".join(values).rsplit(",", MAX_HOPS)[-MAX_HOPS:]


def _node_in(element: str) -> str:
    """Return the value of the element's only `for=`; "" if there is none or several. A comma within quotes splits an
    element, but an address contains no comma."""
    nodes = _FOR.findall(element) if len(element) <= _MAX_ELEMENT else []
    return nodes[0].strip('"') if len(nodes) == 1 else ""
