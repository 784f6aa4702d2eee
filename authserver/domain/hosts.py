"""Host names and addresses as they are written in a URL."""

import re
from ipaddress import IPv4Address, IPv6Address, ip_address


def address_of(host: str) -> IPv4Address | IPv6Address | None:
    """Return the IP address that `host` is, in brackets or not; None for a name."""
    try:
        return ip_address(host.strip("[]"))
    except ValueError:
        return None


def is_loopback(host: str) -> bool:
    address = address_of(host)
    return (
        host == "localhost"
        or address == IPv6Address("::1")
        or (isinstance(address, IPv4Address) and address.is_loopback)
    )


def is_canonical(host: str) -> bool:
    """Whether `host` is a DNS name in lower case, or an address in its canonical form, without a zone (which says
    something on one machine only), and not the unspecified one."""
    address = address_of(host)
    if address is not None:
        written = f"[{address}]" if isinstance(address, IPv6Address) else str(address)
        return host == written and "%" not in host and not address.is_unspecified
    label = r"(?!-)[a-z0-9-]{1,63}(?<!-)"
    # If the last label is a number, programs read the name as an IPv4 address (127.1, 0x7f.1).
    return len(host) <= 253 and re.fullmatch(rf"({label}\.)*(?!\d+$|0x[0-9a-f]*$){label}", host) is not None
