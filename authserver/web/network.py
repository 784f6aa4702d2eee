"""The network that a request came from."""

from ipaddress import ip_address, ip_network

from starlette.types import Scope


def network_of(scope: Scope) -> str:
    """The peer's network (a /24 or a /64): enough to notice that a token is used from elsewhere."""
    host = scope["client"][0] if scope.get("client") else ""
    if host.count(".") == 3:
        return str(host.rpartition(".")[0]) + ".0/24"
    try:
        return str(ip_network((ip_address(host), 64), strict=False))
    except ValueError:
        return ""
