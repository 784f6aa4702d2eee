"""Finds where a request came from: the caller's address behind trusted proxies, and its network."""

from ipaddress import ip_address

from starlette.types import ASGIApp, Receive, Scope, Send

from ..domain.forwarded import Address, TrustedProxies, caller, hops, network, plain


class CallerAddress:
    """A pure ASGI middleware that sets `client` in the scope to the caller's address that trusted proxies report."""

    def __init__(self, app: ASGIApp, trusted: TrustedProxies) -> None:
        self._app, self._trusted = app, trusted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and trusts_peer(scope, self._trusted):
            address = caller(_peer(scope), self._hops(scope), self._trusted)
            scope = {**scope, "client": (str(address), 0) if address else None}
        await self._app(scope, receive, send)

    def _hops(self, scope: Scope) -> list[str]:
        return hops(_values(scope, b"x-forwarded-for"), _values(scope, b"forwarded"))


def trusts_peer(scope: Scope, trusted: TrustedProxies) -> bool:
    """Whether the connection comes from a trusted proxy."""
    if scope.get("client") is None:  # a Unix socket, or a connection that is already closed
        return trusted.unix and _is_unix(scope)
    if not trusted.networks:  # as most servers are configured: there is nothing to parse
        return False
    peer = _peer(scope)
    return peer is not None and trusted.trusts(peer)


def network_of(scope: Scope) -> str:
    """Return the caller's network; "" if it has no address."""
    host = scope["client"][0] if scope.get("client") else ""
    if host.count(".") == 3 and ":" not in host:
        return str(host.rpartition(".")[0]) + ".0/24"
    address = _peer(scope)
    return network(address) if address else ""


def _peer(scope: Scope) -> Address | None:
    try:
        return plain(ip_address(scope["client"][0].partition("%")[0])) if scope.get("client") else None
    except ValueError:
        return None


def _is_unix(scope: Scope) -> bool:
    """A Unix-domain socket has a path and no port."""
    return bool(scope.get("server")) and scope["server"][1] is None


def _values(scope: Scope, name: bytes) -> list[str]:
    return [value.decode("latin-1") for each, value in scope["headers"] if each == name]
