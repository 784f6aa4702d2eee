"""What is wrong with a client's back-channel logout URI, for `client create`, `client update` and `doctor`."""

from typing import NamedTuple
from urllib.parse import urlsplit

import click

from ..domain.models import Client
from ..domain.outgoing import allow_list, why_out_of_reach
from ..settings import Settings


class Fault(NamedTuple):
    text: str
    fix: str


def fault_of(settings: Settings, client: Client) -> Fault | None:
    """Return why no logout token can reach the client, and how to fix it; None if they can."""
    uri = client.backchannel_logout_uri
    reason = why_out_of_reach(uri, allow_list(settings.fetch_allow or "")) if uri else None
    if reason is None:
        return None
    return Fault(
        f"The client {client.id} gets no logout tokens: its back-channel logout URI {reason}.",
        f"If the host is yours, add it to the server's settings: AUTHSERVER_FETCH_ALLOW={urlsplit(uri).hostname}. "
        f"Otherwise: authserver client update {client.id} --backchannel-logout-uri https://...",
    )


def warn(settings: Settings, client: Client) -> None:
    fault = fault_of(settings, client)
    if fault is not None:
        click.echo(f"Warning: {fault.text}\n{fault.fix}", err=True)
