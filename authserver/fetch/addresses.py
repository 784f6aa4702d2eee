"""Resolves a host, and checks all of its addresses before one is used."""

import socket
from collections.abc import Callable, Sequence
from ipaddress import ip_address

from ..domain.outgoing import Address, AllowList, refused_address
from .errors import FetchFailed

Resolve = Callable[[str], Sequence[Address]]
"""Returns the addresses of a host name or an address. Raises OSError."""


def resolve(host: str) -> list[Address]:
    """Ask the system's resolver. Raises OSError if it knows no address."""
    results = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    addresses = [ip_address(str(address[0])) for *_, address in results]
    return list(dict.fromkeys(addresses))


def checked(host: str, allowed: AllowList, resolve: Resolve) -> Sequence[Address]:
    """Return the host's addresses, resolved once. Raises FetchFailed if the server may not connect to one of them."""
    try:
        addresses = resolve(host)
    except (OSError, UnicodeError) as error:
        raise FetchFailed(f"The host {host} has no address ({error}).") from error
    if not addresses:
        raise FetchFailed(f"The host {host} has no address.")
    refused = refused_address(host, addresses, allowed)
    if refused is not None:
        fix = f"If it is one of yours: AUTHSERVER_FETCH_ALLOW={host}"
        raise FetchFailed(f"The host {host} has the address {refused}, which is not public. {fix}")
    return addresses
