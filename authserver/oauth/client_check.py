"""Checks clients by domain/client_rules.py, with the grant types and authentication methods that are registered."""

from ..domain import client_rules
from ..domain.models import Client
from .client_auth import METHODS
from .grants import GRANTS

GRANT_TYPES = [grant.GRANT_TYPE for grant in GRANTS]


def check_client(client: Client) -> None:
    """Raise ClientRefused if `client` breaks a rule."""
    client_rules.check(client, grant_types=GRANT_TYPES, auth_methods=METHODS)
