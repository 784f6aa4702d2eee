"""The rules of domain/client_rules.py, with the grant types and authentication methods that this server has."""

from ..domain import client_rules
from ..domain.models import Client
from .client_auth import METHODS
from .grants import GRANTS

GRANT_TYPES = [grant.GRANT_TYPE for grant in GRANTS]


def check_client(client: Client) -> None:
    """Raises ClientRefused."""
    client_rules.check(client, grant_types=GRANT_TYPES, auth_methods=METHODS)
