"""What pages tell a person about a client."""

from ..domain.models import Client
from ..pipeline.replies import ClientShown


def shown(client: Client | None) -> ClientShown | None:
    """Return what pages tell of the client."""
    if client is None:
        return None
    return ClientShown(client.name, client.client_uri, client.logo_uri, client.policy_uri, client.tos_uri)
