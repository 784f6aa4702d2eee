"""The address of a caller behind proxies, from what these say of it (RFC 7239, and X-Forwarded-For before it)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
UNIX = "unix"
MOST_HOPS = 20
_LONGEST_NODE = 64
_LONGEST_ELEMENT = 1024
# RFC 7239 s6: node = nodename [ ":" node-port ]; proxies write the same into X-Forwarded-For.
_NODE = re.compile(r"\[([0-9A-Fa-f:.]+)\](?::[\w.-]+)?|([0-9.]+)(?::[\w.-]+)?|([0-9A-Fa-f:.]+)", re.ASCII)
_FOR = re.compile(r'(?:^|;)[ \t]*for=("[^"\\]*"|[^";, \t]*)[ \t]*(?=;|$)', re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class TrustedProxies:
    """Whose word on a caller's address is taken."""

    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    unix: bool = False
    """Whoever connects by the Unix-domain socket, which has no address."""

    def trusts(self, address: Address | None) -> bool:
        """None is a peer without an address."""
        return self.unix if address is None else any(address in network for network in self.networks)


def trusted_proxies(text: str) -> TrustedProxies:
    """From addresses, networks and the word unix, comma separated. Raises ValueError that says what is wrong."""
    words = [word for word in map(str.strip, text.split(",")) if word]
    return TrustedProxies(tuple(_network(word) for word in words if word != UNIX), UNIX in words)


def caller(peer: Address | None, hops: Sequence[str], trusted: TrustedProxies) -> Address | None:
    """The right-most address that is not a trusted proxy's: what stands left of it, anyone may have written.

    `hops` are the nodes in the order of the header, the last one added by `peer`. A proxy that does not say who called
    it (`unknown`, `_hidden`, what is no address) stands for its callers itself.
    """
    address = peer
    for hop in list(reversed(hops))[:MOST_HOPS]:
        if not trusted.trusts(address):
            break
        before = address_of_node(hop)
        if before is None:
            break
        address = before
    return address


def hops(forwarded_for: Sequence[str], forwarded: Sequence[str]) -> list[str]:
    """The nodes that the values of all X-Forwarded-For or else of all Forwarded headers name, as many as are looked at.

    X-Forwarded-For wins: it is what nearly every proxy adds to, and one that does hands on a Forwarded that its caller
    made up.
    """
    if forwarded_for:
        return _last(forwarded_for)
    return [_node_in(element) for element in _last(forwarded)]


def address_of_node(node: str) -> Address | None:
    form = _NODE.fullmatch(node.strip(" \t")) if len(node) <= _LONGEST_NODE else None
    try:
        return plain(ip_address(form[1] or form[2] or form[3])) if form else None
    except ValueError:
        return None


def plain(address: Address) -> Address:
    """An IPv4 address as a socket for both families spells it is the IPv4 address."""
    return (isinstance(address, IPv6Address) and address.ipv4_mapped) or address


def _network(word: str) -> IPv4Network | IPv6Network:
    try:
        network = ip_network(word)
    except ValueError as error:
        raise ValueError(f"names {word!r}, which is neither an address nor a network ({error})") from None
    if network.prefixlen == 0:
        raise ValueError(f"names {word!r}, which is everybody")
    return network


def _last(values: Sequence[str]) -> list[str]:
    return ",".join(values).rsplit(",", MOST_HOPS)[-MOST_HOPS:]


def _node_in(element: str) -> str:
    """What `for=` says, once; "" otherwise. Commas within quotes have cut the element: no address has any."""
    nodes = _FOR.findall(element) if len(element) <= _LONGEST_ELEMENT else []
    return nodes[0].strip('"') if len(nodes) == 1 else ""
