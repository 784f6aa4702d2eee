"""Names each way in which settings and clients depart from RFC 9700 (best current practice), by its section."""

from collections.abc import Iterable, Iterator

from ...domain.first_party import CLIENT_ID
from ...domain.models import Client
from ...settings import Settings
from ..common import policy_of
from .finding import INFO, WARNING, Finding, or_ok

CHECK = "rfc9700"


def check(settings: Settings, clients: Iterable[Client]) -> list[Finding]:
    """`clients` are the enabled ones."""
    return or_ok(CHECK, _findings(settings, list(clients)), "Settings and clients follow RFC 9700.")


def _findings(settings: Settings, clients: list[Client]) -> Iterator[Finding]:
    yield from _first_party(settings)
    yield from _default_retry_window(settings)
    for client in clients:
        yield from _password_grant(client)
        yield from _retry_window(settings, client)
        yield from _rotation(client)
        yield from _audiences(client)
        yield from _pkce(client)


def _first_party(settings: Settings) -> Iterator[Finding]:
    if settings.first_party_api == "on":
        yield Finding(
            CHECK,
            INFO,
            "Section 2.4: /api/login takes passwords, for apps of your own.",
            "If you have none that use it: AUTHSERVER_FIRST_PARTY_API=off",
        )


def _default_retry_window(settings: Settings) -> Iterator[Finding]:
    # RFC 9700 s4.14.2: a refresh token that is used again ends the authorization.
    if settings.refresh_retry_window:
        yield Finding(
            CHECK,
            INFO,
            f"Section 4.14.2: a used refresh token is accepted again for {settings.refresh_retry_window} seconds, so"
            " that a client whose response was lost can retry.",
            "To end the authorization at once instead: AUTHSERVER_REFRESH_RETRY_WINDOW=0",
        )


def _password_grant(client: Client) -> Iterator[Finding]:
    # RFC 9700 s2.4: the resource owner password credentials grant MUST NOT be used.
    if "password" in client.grant_types and client.id != CLIENT_ID:
        others = [f"--grant {grant}" for grant in sorted(client.grant_types - {"password"})]
        keep = " ".join(["authserver client update", client.id, *others]) if others else ""
        yield Finding(
            CHECK,
            WARNING,
            f"Section 2.4: the client {client.id} may use the password grant, which shows it its users' passwords.",
            f"If it is not your own app, run: {keep or f'authserver client disable {client.id}'}",
        )


def _retry_window(settings: Settings, client: Client) -> Iterator[Finding]:
    window = policy_of(settings, client).refresh_retry_window
    if "refresh_token" in client.grant_types and window > 60:
        yield Finding(
            CHECK,
            WARNING,
            f"Section 4.14.2: a used refresh token of the client {client.id} is accepted again for {window} seconds.",
            f"authserver client update {client.id} --refresh-retry-window 30",
        )


def _rotation(client: Client) -> Iterator[Finding]:
    # RFC 9700 s2.2.2 demands rotation of public clients only, which `client create` enforces.
    if "refresh_token" in client.grant_types and not client.policy.get("rotation", True):
        yield Finding(
            CHECK,
            INFO,
            f"Section 4.14.2: refresh tokens of the client {client.id} are not rotated: a stolen one is not noticed.",
            f"authserver client update {client.id} --rotation",
        )


def _audiences(client: Client) -> Iterator[Finding]:
    if len(client.audiences) > 1:
        yield Finding(
            CHECK,
            INFO,
            f"Section 2.3: the client {client.id} may ask for tokens that {len(client.audiences)} APIs accept.",
            "One client for each API keeps a token that leaks at one from being used at another.",
        )


def _pkce(client: Client) -> Iterator[Finding]:
    # RFC 9700 s2.1.1: for confidential clients, the use of PKCE is RECOMMENDED.
    if client.pkce != "required":
        yield Finding(
            CHECK,
            INFO,
            f"Section 2.1.1: the client {client.id} may sign users in without PKCE. It must then check the nonce.",
            f"If its library can use PKCE: authserver client update {client.id} --pkce required",
        )
