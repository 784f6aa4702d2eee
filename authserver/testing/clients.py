"""The clients of an issuer for tests, with the same rules as `authserver client create`."""

from base64 import b64encode
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, TypedDict
from urllib.parse import quote_plus

from .. import system
from ..domain import client_secrets, scopes
from ..domain.algorithms import ALGORITHMS
from ..domain.client_rules import new_id
from ..domain.models import Client
from ..oauth.client_check import check_client
from ..settings import Settings


class SignIn(TypedDict, total=False):
    """Options for clients that sign users in, named as in `authserver client create`."""

    redirect_uris: Sequence[str]
    application_type: str
    pkce: str
    id_token_alg: str
    userinfo_alg: str
    first_party: bool
    post_logout_redirect_uris: Sequence[str]
    backchannel_logout_uri: str
    subject_type: str
    sector_identifier_uri: str


def new_client(
    *,
    scope: str,
    grants: Iterable[str] | None,
    audience: str,
    secret: str | None,
    auth_method: str,
    access_token_alg: str,
    access_token_typ: str,
    web_origins: Iterable[str],
    access_token_claims: Iterable[str],
    lifetimes: dict[str, int | None],
    rotation: bool,
    sign_in: SignIn,
    now: int,
) -> Client:
    """Return a valid client. Without `grants` it has the usual ones; lifetimes that are None are the server's. The text
    of ValueError says what is allowed."""
    client = Client(
        id=new_id(system.new_id()),
        name="testing",
        auth_method="none" if secret is None else auth_method,
        grant_types=frozenset(_usual_grants(sign_in) if grants is None else grants),
        scope=scopes.parse(scope),
        audiences=(audience,),
        secrets=() if secret is None else (client_secrets.new(secret),),
        created_at=now,
        access_token_alg=access_token_alg,
        access_token_typ=access_token_typ,
        web_origins=tuple(web_origins),
        access_token_claims=tuple(access_token_claims),
        policy=_own(lifetimes) | ({} if rotation else {"rotation": False}),
    )
    client = _with_sign_in(client, **sign_in)
    if secret == "" or (secret is not None and auth_method == "none"):
        raise ValueError("A secret needs at least one character and an auth_method other than none.")
    check_client(client)
    return client


def _with_sign_in(
    client: Client, redirect_uris: Sequence[str] = (), post_logout_redirect_uris: Sequence[str] = (), **others: Any
) -> Client:
    bye = tuple(post_logout_redirect_uris)
    return replace(client, redirect_uris=tuple(redirect_uris), post_logout_redirect_uris=bye, **others)


def _usual_grants(sign_in: SignIn) -> tuple[str, ...]:
    return ("authorization_code" if "redirect_uris" in sign_in else "password", "refresh_token")


def check_alg(alg: str) -> None:
    """Raises ValueError."""
    if alg not in ALGORITHMS:
        raise ValueError(f"There is no algorithm {alg!r}. Allowed: {', '.join(ALGORITHMS)}.")


def basic(auth: tuple[str, str] | None) -> dict[str, str]:
    """The header of client_secret_basic."""
    if auth is None:
        return {}
    # RFC 6749 s2.3.1: encoded using the "application/x-www-form-urlencoded" encoding algorithm per Appendix B.
    return {"Authorization": "Basic " + b64encode(":".join(map(quote_plus, auth)).encode()).decode()}


def _own(lifetimes: dict[str, int | None]) -> dict[str, Any]:
    own = {name: seconds for name, seconds in lifetimes.items() if seconds is not None}
    for name, seconds in own.items():
        if type(seconds) is not int or seconds not in _bounds(name):
            bounds = _bounds(name)
            raise ValueError(f"{name} is {seconds!r}. Allowed: whole seconds from {bounds[0]} to {bounds[-1]}.")
    return own


def _bounds(name: str) -> range:
    """The bounds of the setting with that name."""
    limits = Settings.model_fields[name].metadata
    bounds = (next(getattr(limit, side) for limit in limits if hasattr(limit, side)) for side in ("ge", "le"))
    minimum, maximum = bounds
    return range(minimum, maximum + 1)
