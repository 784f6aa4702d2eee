"""The option --kind of `client create` and `client update`, and the questions that take its place on a terminal."""

import sys
from dataclasses import replace
from typing import Any

import click

from ...domain.client_kinds import KINDS, of_kind, web_origins
from ...domain.models import Client

option = click.option(
    "--kind",
    type=click.Choice([*KINDS]),
    help="Sets grants, authentication and PKCE as they should be; other options override it.",
)


def with_kind(client: Client, kind: str | None) -> Client:
    """Return the client with what its kind sets, before the other options."""
    return of_kind(client, kind) if kind else client


def with_origins(client: Client, kind: str | None) -> Client:
    """Return the client, after all options; a single-page app calls /token from the pages of its redirect URIs."""
    if kind != "spa" or client.web_origins:
        return client
    return replace(client, web_origins=web_origins(client))


def ask(options: dict[str, Any]) -> dict[str, Any]:
    """Ask for the kind and the redirect URI on a terminal, if the options name no kind and no grant. Returns the
    options."""
    if options["kind"] or options["grant"] or not sys.stdin.isatty():
        return options
    click.echo("\n".join(f"{name:8} {kind.description}" for name, kind in KINDS.items()), err=True)
    kind = click.prompt("Kind", type=click.Choice([*KINDS]), show_choices=False, err=True)
    if not KINDS[kind].signs_in or options["redirect_uri"]:
        return options | {"kind": kind}
    return options | {"kind": kind, "redirect_uri": (click.prompt("Redirect URI", err=True),)}
