"""Checks which proxies the server trusts to tell it a caller's address."""

from collections.abc import Iterator

from ...domain.forwarded import trusted_proxies
from ...settings import Settings
from .finding import WARNING, Finding, or_ok

CHECK = "proxies"
_NAME_PROXIES = "Name only the addresses of your proxies in AUTHSERVER_TRUSTED_PROXIES."
_WIDE = {4: 16, 6: 48}
"""The shortest prefix of a network that is plausibly made of proxies only, by IP version."""


def check(settings: Settings) -> list[Finding]:
    trusted = trusted_proxies(settings.trusted_proxies or "")
    who = [*map(str, trusted.networks), *(["the Unix-domain socket"] if trusted.unix else [])]
    return or_ok(CHECK, _findings(settings), f"Callers' addresses are taken from {', '.join(who) or 'nobody'}.")


def _findings(settings: Settings) -> Iterator[Finding]:
    trusted = trusted_proxies(settings.trusted_proxies or "")
    for network in trusted.networks:
        if network.is_global and network.num_addresses > 1:
            text = f"Everybody in the public network {network} can choose the address that the log shows for them."
            yield Finding(CHECK, WARNING, text, _NAME_PROXIES)
        elif network.prefixlen < _WIDE[network.version]:
            text = f"{network} has more addresses than there can be proxies. Any program there can forge its address."
            yield Finding(CHECK, WARNING, text, _NAME_PROXIES)
    if settings.issuer.startswith("https:") and not settings.trusted_proxies:
        text = "The issuer is https, and no proxy is trusted: all callers seem to be one proxy, and share its limits."
        yield Finding(CHECK, WARNING, text, "Set AUTHSERVER_TRUSTED_PROXIES to the proxy's address.")
