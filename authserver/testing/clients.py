"""The clients of an issuer in a test's hands: what is allowed is what `authserver client create` allows."""

from base64 import b64encode
from collections.abc import Iterable
from hashlib import sha256
from typing import Any
from urllib.parse import quote_plus

from .. import system
from ..domain import scopes
from ..domain.algorithms import ALGORITHMS
from ..domain.models import Client, Secret
from ..oauth.client_auth import METHODS
from ..oauth.grants import GRANTS
from ..settings import Settings

_GRANT_TYPES = [grant.GRANT_TYPE for grant in GRANTS]


def new_client(
    *,
    scope: str,
    grants: Iterable[str],
    audience: str,
    secret: str | None,
    auth_method: str,
    access_token_alg: str,
    lifetimes: dict[str, int | None],
    rotation: bool,
    now: int,
) -> Client:
    """Of `lifetimes`, those that are None are the server's. Raises ValueError that says what is allowed."""
    client = Client(
        id=f"c_{system.new_id().hex()}",
        name="testing",
        auth_method="none" if secret is None else _one_of("auth_method", auth_method, METHODS),
        grant_types=frozenset(_one_of("grant", grant, _GRANT_TYPES) for grant in grants),
        scope=scopes.parse(scope),
        audiences=(audience,),
        secrets=() if secret is None else (Secret(sha256(secret.encode()).digest()),),
        created_at=now,
        access_token_alg=_one_of("access_token_alg", access_token_alg, ALGORITHMS),
        policy=_own(lifetimes) | ({} if rotation else {"rotation": False}),
    )
    _check(client, secret)
    return client


def check_alg(alg: str) -> None:
    """Raises ValueError."""
    _one_of("alg", alg, ALGORITHMS)


def basic(auth: tuple[str, str] | None) -> dict[str, str]:
    """The header of client_secret_basic."""
    if auth is None:
        return {}
    # RFC 6749 s2.3.1: encoded using the "application/x-www-form-urlencoded" encoding algorithm per Appendix B.
    return {"Authorization": "Basic " + b64encode(":".join(map(quote_plus, auth)).encode()).decode()}


def _one_of(what: str, value: str, allowed: Iterable[str]) -> str:
    if value not in allowed:
        raise ValueError(f"There is no {what} {value!r}. Allowed: {', '.join(allowed)}.")
    return value


def _own(lifetimes: dict[str, int | None]) -> dict[str, Any]:
    own = {name: seconds for name, seconds in lifetimes.items() if seconds is not None}
    for name, seconds in own.items():
        if type(seconds) is not int or seconds not in _bounds(name):
            bounds = _bounds(name)
            raise ValueError(f"{name} is {seconds!r}. Allowed: whole seconds from {bounds[0]} to {bounds[-1]}.")
    return own


def _bounds(name: str) -> range:
    """Those of the setting of that name."""
    limits = Settings.model_fields[name].metadata
    least, most = (next(getattr(limit, side) for limit in limits if hasattr(limit, side)) for side in ("ge", "le"))
    return range(least, most + 1)


def _check(client: Client, secret: str | None) -> None:
    if not client.grant_types:
        raise ValueError(f"A client may use at least one grant. Allowed: {', '.join(_GRANT_TYPES)}.")
    if secret == "" or (secret is not None and client.auth_method == "none"):
        raise ValueError(
            "A client with a secret presents it: at least one character, by another auth_method than none."
        )
    # RFC 6749 s4.4: the client credentials grant type MUST only be used by confidential clients.
    if client.auth_method == "none" and "client_credentials" in client.grant_types:
        raise ValueError('client_credentials needs a client with a secret, like secret="machine".')
    # RFC 9700 s2.2.2: refresh tokens for public clients MUST be sender-constrained or use refresh token rotation.
    if client.auth_method == "none" and not client.policy.get("rotation", True):
        raise ValueError("A public client cannot go without rotation: leave out rotation=False, or give it a secret.")
