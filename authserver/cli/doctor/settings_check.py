"""Checks the settings: what is meant for tests only, and what is switched off."""

from collections.abc import Iterator
from urllib.parse import urlsplit

from ...domain.hosts import is_loopback
from ...domain.times import duration
from ...settings import Settings
from .finding import INFO, WARNING, Finding, or_ok

_LONG = 3600  # seconds
CHECK = "settings"


def check(settings: Settings) -> list[Finding]:
    return or_ok(CHECK, _findings(settings), "Every setting is suitable for use on the internet.")


def _findings(settings: Settings) -> Iterator[Finding]:
    for warning in settings.warnings():
        yield Finding(CHECK, WARNING, warning, "Remove AUTHSERVER_KEY_LEAD_TIME, or set it to 86400.")
    if is_loopback(urlsplit(settings.issuer).hostname or ""):
        yield Finding(
            CHECK,
            INFO,
            f"The issuer {settings.issuer} is on this machine: only programs here can use this server.",
            "For anything else, set AUTHSERVER_ISSUER to the https URL that clients use.",
        )
    host = (settings.management_address or "unix:").rpartition(":")[0]
    if host != "unix" and not is_loopback(host):
        text = f"The management address {settings.management_address} may be reachable from other machines."
        yield Finding(CHECK, INFO, text, "It has no password: let only your monitoring reach it.")
    if settings.access_token_ttl > _LONG:
        ttl = duration(settings.access_token_ttl)
        yield Finding(
            CHECK,
            WARNING,
            f"Access tokens are valid for {ttl}. APIs that verify offline accept a revoked one until then.",
            f"Set AUTHSERVER_ACCESS_TOKEN_TTL to {_LONG} or less; clients refresh their tokens.",
        )
