"""The kinds of clients that people register, and the settings that are right for each."""

import re
from dataclasses import dataclass, replace

from . import client_rules
from .models import Client
from .standard_claims import OFFLINE_ACCESS, OPENID

DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"
_SIGN_IN = frozenset({"authorization_code", "refresh_token"})
_ABOUT_USERS = (OPENID, "profile", "email")


@dataclass(frozen=True, slots=True)
class Kind:
    description: str
    auth_method: str
    grant_types: frozenset[str] = frozenset()
    application_type: str = "web"
    scope: tuple[str, ...] = ()
    """The scopes of a client for which none are given."""

    @property
    def signs_in(self) -> bool:
        """Whether it sends its users to the authorization endpoint, and so needs a redirect URI."""
        return "authorization_code" in self.grant_types


KINDS = {
    "web": Kind("a web app whose server keeps a secret", "client_secret_basic", _SIGN_IN, scope=_ABOUT_USERS),
    "spa": Kind("a single-page app, which runs in the browser", "none", _SIGN_IN, scope=_ABOUT_USERS),
    "native": Kind(
        "a mobile, desktop or command-line app", "none", _SIGN_IN, "native", scope=(*_ABOUT_USERS, OFFLINE_ACCESS)
    ),
    "device": Kind(
        "a device or command-line app whose user signs in elsewhere (RFC 8628)",
        "none",
        frozenset({DEVICE_CODE, "refresh_token"}),
        "native",
        scope=(*_ABOUT_USERS, OFFLINE_ACCESS),
    ),
    "service": Kind("a program that acts for itself", "client_secret_basic", frozenset({"client_credentials"})),
    "api": Kind("an API that only introspects tokens", "client_secret_basic"),
}


def of_kind(client: Client, kind: str) -> Client:
    """Return the client with the settings of `kind`, one of KINDS. Scopes that it has already stay."""
    chosen = KINDS[kind]
    return replace(
        client,
        auth_method=chosen.auth_method,
        grant_types=chosen.grant_types,
        application_type=chosen.application_type,
        pkce="required",
        scope=client.scope or chosen.scope,
    )


def web_origins(client: Client) -> tuple[str, ...]:
    """Return the origins of the client's redirect URIs: the pages of a single-page app, which call /token (CORS)."""
    origins = dict.fromkeys(re.split("(?<=[^:/])/|[?#]", uri)[0] for uri in client.redirect_uris)
    return tuple(origin for origin in origins if client_rules.origin_fault(origin) is None)
