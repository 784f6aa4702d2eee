"""Client authentication: one table of methods for every endpoint and for the metadata (RFC 6749 s2.3)."""

import hmac
from collections.abc import Callable
from hashlib import sha256

from authlib.oauth2.rfc6749 import ClientMixin

from ..domain.models import Client, Secret
from ..domain.times import utc
from .errors import InvalidClientError, OAuth2Error, because
from .request import Credentials

DISABLED = "This client is disabled."
OTHER_METHOD = "This client is registered for another authentication method."
_NOBODY = (Secret(bytes(32)),)


class AuthlibClient(ClientMixin):
    """The one question that Authlib's grants still ask a client."""

    def __init__(self, client: Client) -> None:
        self.client = client

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type in self.client.grant_types


def authenticate(credentials: Credentials, client: Client | None, now: int) -> AuthlibClient:
    """Raises InvalidClientError: the same to the caller for an unknown client, another method and a wrong secret."""
    method = METHODS[credentials.method]
    proven = method(credentials.secret, client, now)
    if client is None:
        raise because(InvalidClientError(), "no such client")
    # RFC 6749 s2.3.1: a secret by Basic, or in the body. Clients choose by themselves, so whoever registered one of the
    # two may use both; for the rest, only the method that the client registered, at every endpoint.
    if METHODS.get(client.auth_method) is not method:
        detail = f"registered for {client.auth_method}, not {credentials.method}"
        raise _refused(detail, proven, credentials, OTHER_METHOD)
    if client.disabled:
        raise _refused("client disabled", proven, credentials, DISABLED)
    if not proven:
        raise because(InvalidClientError(), _why_unproven(credentials.secret, client))
    return AuthlibClient(client)


def _refused(detail: str, proven: bool, credentials: Credentials, told: str) -> OAuth2Error:
    """`told` is for a client that has proved its secret; to others it would say which clients there are."""
    return because(InvalidClientError(), detail, told if proven and credentials.secret else "")


def _with_secret(secret: str, client: Client | None, now: int) -> bool:
    presented = sha256(secret.encode()).digest()
    secrets = client.secrets if client else _NOBODY
    matches = [hmac.compare_digest(presented, known.hash) and _is_live(known, now) for known in secrets]
    return any(matches)


def _why_unproven(secret: str, client: Client) -> str:
    presented = sha256(secret.encode()).digest()
    ends = [known.expires_at for known in client.secrets if hmac.compare_digest(presented, known.hash)]
    return f"client secret expired at {utc(ends[0])}" if ends and ends[0] is not None else "wrong client secret"


def _without_secret(secret: str, client: Client | None, now: int) -> bool:
    return True


def _is_live(secret: Secret, now: int) -> bool:
    return secret.expires_at is None or now < secret.expires_at


METHODS: dict[str, Callable[[str, Client | None, int], bool]] = {
    "client_secret_basic": _with_secret,
    "client_secret_post": _with_secret,
    "none": _without_secret,
}
