"""What a client may be (domain/client_rules.py), by the grants and authentication methods that are registered here."""

from ..domain import client_rules
from ..domain.models import Client
from .client_auth import METHODS
from .grants import GRANTS

GRANT_TYPES = [grant.GRANT_TYPE for grant in GRANTS]


def check_client(client: Client) -> None:
    """Raises ClientRefused."""
    client_rules.check(client, grant_types=GRANT_TYPES, auth_methods=METHODS)
