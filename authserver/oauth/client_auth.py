"""Client authentication: one table of methods for every endpoint and for the metadata (RFC 6749 s2.3)."""

import hmac
from collections.abc import Callable
from hashlib import sha256

from authlib.oauth2.rfc6749 import ClientMixin

from ..domain.models import Client, Secret
from .errors import InvalidClientError, because
from .request import Credentials

_NOBODY = (Secret(bytes(32)),)


class AuthlibClient(ClientMixin):
    """The one question that Authlib's grants still ask a client."""

    def __init__(self, client: Client) -> None:
        self.client = client

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type in self.client.grant_types


def authenticate(credentials: Credentials, client: Client | None, now: int) -> AuthlibClient:
    """Raises InvalidClientError: the same to the caller for an unknown client, another method and a wrong secret."""
    proven = METHODS[credentials.method](credentials.secret, client, now)
    if client is None:
        raise because(InvalidClientError(), "No such client.")
    # RFC 6749 s2.3: only the method that the client registered, at every endpoint.
    if client.auth_method != credentials.method:
        raise because(InvalidClientError(), f"The client is registered for {client.auth_method}.")
    if client.disabled or not proven:
        raise because(InvalidClientError(), "The client is disabled." if client.disabled else "Wrong client secret.")
    return AuthlibClient(client)


def _with_secret(secret: str, client: Client | None, now: int) -> bool:
    presented = sha256(secret.encode()).digest()
    secrets = client.secrets if client else _NOBODY
    matches = [hmac.compare_digest(presented, known.hash) and _is_live(known, now) for known in secrets]
    return any(matches)


def _without_secret(secret: str, client: Client | None, now: int) -> bool:
    return True


def _is_live(secret: Secret, now: int) -> bool:
    return secret.expires_at is None or now < secret.expires_at


METHODS: dict[str, Callable[[str, Client | None, int], bool]] = {
    "client_secret_basic": _with_secret,
    "client_secret_post": _with_secret,
    "none": _without_secret,
}
