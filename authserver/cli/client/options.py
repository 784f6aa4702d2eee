"""The options of `client create` and `client update`."""

from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from typing import Any, TypeVar

import click

from ...domain import subjects
from ...domain.algorithms import ALGORITHMS, TYPS
from ...domain.client_rules import PKCE
from ...domain.models import Client
from . import kind

F = TypeVar("F", bound=Callable[..., Any])

_DAY = 86400
LISTS = {
    "grant": "grant_types",
    "scope": "scope",
    "audience": "audiences",
    "redirect-uri": "redirect_uris",
    "post-logout-redirect-uri": "post_logout_redirect_uris",
    "web-origin": "web_origins",
    "access-token-claim": "access_token_claims",
    "id-token-claim": "id_token_claims",
}
SECONDS = {
    "access-token-ttl": (1, _DAY),
    "refresh-retry-window": (0, 300),
    "refresh-idle-ttl": (1, 3650 * _DAY),
    "refresh-absolute-ttl": (1, 3650 * _DAY),
    "code-retry-window": (0, 60),
}
POLICY = {name: name.replace("-", "_") for name in (*SECONDS, "max-authorizations", "rotation")}
ALGORITHMS_OF = ("access_token_alg", "id_token_alg", "userinfo_alg")
_PAGES = {
    "client-uri": "Its home page.",
    "logo-uri": "Its logo: a small image as a data: URL, or the URL of a file on this server. The pages show no other.",
    "policy-uri": "Its privacy policy.",
    "tos-uri": "Its terms of service.",
}
CLEARABLE = ("user-address-header", "userinfo-alg", "backchannel-logout-uri", "sector-identifier-uri", *_PAGES)
"""The options whose text may be empty."""
_SINGLE = (
    *("auth_method", "access_token_typ", "user_address_header", "pkce", "first_party"),
    *("backchannel_logout_uri", "backchannel_logout_session_required", "subject_type", "sector_identifier_uri"),
    *ALGORITHMS_OF,
    *(name.replace("-", "_") for name in _PAGES),
)
_LIST_HELP = {
    "grant": "Grant type that it may use; without one, it can only introspect.",
    "scope": 'Scope that it may ask for, or several as "a b".',
    "audience": "Audience of its access tokens; the first is the default.",
    "redirect-uri": "URI that a browser may be sent back to.",
    "post-logout-redirect-uri": "URI that a browser may be sent to after a sign-out.",
    "web-origin": "Origin of a browser app that may call /token and /revoke (CORS).",
    "access-token-claim": "Claim of its users that its access tokens contain (`user set-claims`).",
    "id-token-claim": "Claim of its users that its ID tokens contain, whatever it asks for.",
}


def of_client(function: F) -> F:
    """Every option that both commands have. An option that was not passed is None, or empty if it is repeatable."""
    options = [
        kind.option,
        *(click.option(f"--{name}", multiple=True, help=f"{help} Repeatable.") for name, help in _LIST_HELP.items()),
        click.option("--auth-method", help="client_secret_basic (for a new client), client_secret_post or none."),
        *(
            click.option(f"--{name}", type=click.IntRange(*bounds), help="Seconds; the server's setting by default.")
            for name, bounds in SECONDS.items()
        ),
        click.option(
            "--max-authorizations",
            type=click.IntRange(1, 10_000),
            help="Limit of active authorizations per user; the server's setting by default.",
        ),
        click.option(
            "--user-address-header",
            help="Request header in which it names its user's address, such as x-user-address. It needs a secret.",
        ),
        click.option(
            "--access-token-alg", type=click.Choice(ALGORITHMS), help="Signs its access tokens; RS256 for a new client."
        ),
        click.option(
            "--access-token-typ", type=click.Choice(TYPS), help="`typ` of its access tokens; at+jwt for a new client."
        ),
        click.option(
            "--rotation/--no-rotation", default=None, help="Whether its refresh tokens rotate; a public client's must."
        ),
        *_of_sign_in(),
    ]
    for option in reversed(options):
        function = option(function)
    return function


def _of_sign_in() -> list[Callable[[F], F]]:
    """The options of the authorization code flow and of the pages that users see."""
    return [
        click.option(
            "--pkce",
            type=click.Choice(PKCE),
            help="Whether its sign-ins need PKCE; required for a new client. A public client's must.",
        ),
        click.option(
            "--id-token-alg", type=click.Choice(ALGORITHMS), help="Signs its ID tokens; RS256 for a new client."
        ),
        click.option(
            "--userinfo-alg",
            type=click.Choice(ALGORITHMS),
            help="Signs its responses from /userinfo, which are plain JSON by default.",
        ),
        click.option(
            "--first-party/--third-party",
            default=None,
            help="Whether it is your own app, so that its users are not asked for consent.",
        ),
        click.option(
            "--subject-type",
            type=click.Choice(subjects.TYPES),
            help="pairwise: its users have other subjects here than at clients of other sectors. public by default.",
        ),
        click.option(
            "--sector-identifier-uri",
            help="URL whose host is the sector of pairwise subjects; the host of its redirect URIs by default.",
        ),
        click.option(
            "--backchannel-logout-uri",
            help="URL to which a logout token is posted when a session ends in which it signed a user in.",
        ),
        click.option(
            "--backchannel-logout-session-required/--no-backchannel-logout-session-required",
            default=None,
            help="Whether it needs `sid` in logout tokens, which always have it.",
        ),
        *(click.option(f"--{name}", help=f"{help} Shown to its users.") for name, help in _PAGES.items()),
    ]


def chosen(client: Client, options: dict[str, Any]) -> Client:
    """Return the client with its kind, and over that the other options that were passed."""
    name = options["kind"]
    return kind.with_origins(_changed(kind.with_kind(client, name), options), name)


def _changed(client: Client, options: dict[str, Any]) -> Client:
    """Return the client with the options that were passed. A list replaces the previous list."""
    lists = {member: options[name.replace("-", "_")] for name, member in LISTS.items()}
    single = {name: options[name] for name in _SINGLE}
    own = {member: options[member] for member in POLICY.values() if options[member] is not None}
    members: dict[str, Any] = {name: unique(values) for name, values in lists.items() if values}
    if "scope" in members:
        members["scope"] = unique(word for text in members["scope"] for word in text.split(" ") if word)
    if "grant_types" in members:
        members["grant_types"] = frozenset(members["grant_types"])
    members |= {name: value for name, value in single.items() if value is not None}
    return replace(client, **members, policy=client.policy | own)


def cleared(client: Client, names: Collection[str]) -> Client:
    """Return the client with these lists emptied, and these settings taken from the server."""
    gone = {POLICY[name] for name in names if name in POLICY}
    empty: dict[str, Any] = {LISTS[name]: () for name in names if name in LISTS}
    if "grant_types" in empty:
        empty["grant_types"] = frozenset()
    empty |= {name.replace("-", "_"): "" for name in names if name in CLEARABLE}
    own = {name: value for name, value in client.policy.items() if name not in gone}
    return replace(client, **empty, policy=own)


def unique(values: Iterable[str]) -> tuple[str, ...]:
    """Return the values in order, without duplicates."""
    return tuple(dict.fromkeys(values))
