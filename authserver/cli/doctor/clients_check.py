"""Checks the registration of clients: redirect URIs that others could receive, consent, expiring secrets, back-channel
logout URIs, and logos that the pages cannot show."""

from collections.abc import Iterable, Iterator
from urllib.parse import urlsplit

from ...domain import logo
from ...domain.models import SECOND, Client
from ...domain.times import counted, span
from ...settings import Settings
from ..back_channel import fault_of
from .finding import ERROR, INFO, WARNING, Finding, or_ok

CHECK = "clients"
_SOON = 14 * 86400 * SECOND


def check(settings: Settings, clients: Iterable[Client], now: int) -> list[Finding]:
    """`clients` are the enabled ones; `now` is in microseconds."""
    every = list(clients)
    well = f"{counted(len(every), 'client')}: no secret ends soon, and no redirect URI is weak."
    return or_ok(CHECK, _findings(settings, every, now), well)


def _findings(settings: Settings, clients: Iterable[Client], now: int) -> Iterator[Finding]:
    for client in clients:
        yield from _secrets(client, now)
        yield from _consent(client)
        yield from _back_channel(settings, client)
        if hidden := logo.why_hidden(client.id, client.logo_uri, settings.issuer):
            yield Finding(CHECK, WARNING, *hidden)
        for uri in client.redirect_uris:
            yield from _redirect_uri(client, uri, is_public_issuer=settings.issuer.startswith("https:"))


def _secrets(client: Client, now: int) -> Iterator[Finding]:
    if client.auth_method == "none":
        return
    ends = [secret.expires_at for secret in client.secrets]
    if any(end is None for end in ends):
        return
    last = max((end for end in ends if end is not None), default=0)
    fix = f"authserver client rotate-secret {client.id}"
    if last <= now:
        yield Finding(CHECK, ERROR, f"The client {client.id} has no valid secret: it cannot authenticate.", fix)
    elif last - now < _SOON:
        yield Finding(CHECK, WARNING, f"The last secret of the client {client.id} ends in {span(last - now)}.", fix)


def _consent(client: Client) -> Iterator[Finding]:
    # RFC 8252 s8.6: SHOULD NOT process authorization requests automatically without user consent or interaction, except
    # when the identity of the client can be assured. Only an https URI assures that of a client without a secret.
    others = [uri for uri in client.redirect_uris if not uri.startswith("https://")]
    if client.first_party and client.auth_method == "none" and others:
        text = (
            f"Users of the client {client.id} are not asked for consent, and another app on their device can receive "
            f"the code at {others[0]}."
        )
        yield Finding(CHECK, WARNING, text, f"authserver client update {client.id} --third-party")


def _back_channel(settings: Settings, client: Client) -> Iterator[Finding]:
    fault = fault_of(settings, client)
    if fault is not None:
        yield Finding(CHECK, ERROR, fault.text, fault.fix)


def _redirect_uri(client: Client, uri: str, *, is_public_issuer: bool) -> Iterator[Finding]:
    parts, where = urlsplit(uri), f"The redirect URI {uri} of the client {client.id}"
    if parts.hostname == "localhost":
        # RFC 8252 s8.3: the use of "localhost" is NOT RECOMMENDED.
        text = f"{where} names localhost, which may be another address than the app listens on."
        yield Finding(CHECK, WARNING, text, "Register http://127.0.0.1 or http://[::1] instead.")
    elif parts.scheme == "http" and client.auth_method != "none" and is_public_issuer:
        text = f"{where} is not https. A client with a secret is not an app on its user's machine."
        yield Finding(CHECK, WARNING, text, "Register its https URL instead.")
    elif parts.scheme not in ("http", "https"):
        text = f"{where} has a scheme that any app on the device can claim."
        yield Finding(CHECK, INFO, text, "An https URL that the app claims is safer (RFC 8252 s7.2).")
