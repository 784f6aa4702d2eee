"""What pages show about a client, and about what it asks for."""

from collections.abc import Collection, Iterable

from ..domain.models import Client
from ..pipeline.replies import AskedFor, ClientShown


def shown(client: Client | None) -> ClientShown | None:
    """Return what pages show about the client."""
    if client is None:
        return None
    return ClientShown(client.name, client.client_uri, client.logo_uri, client.policy_uri, client.tos_uri)


def asked_for(names: Iterable[str], allowed: Collection[str]) -> list[AskedFor]:
    """Return the scopes, claims or resources of these names; those that are not `allowed` yet are new."""
    return [AskedFor(name, is_new=name not in allowed) for name in names]
