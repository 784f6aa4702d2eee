"""Client authentication (RFC 6749 s2.3), by one table of methods for every endpoint and the metadata."""

import hmac
from collections.abc import Callable

from authlib.oauth2.rfc6749 import ClientMixin

from ..domain import client_secrets
from ..domain.models import Client, Secret
from ..domain.times import utc
from ..pipeline.errors import Refusal
from ..pipeline.event import Event
from .request import Credentials

DISABLED = "This client is disabled."
OTHER_METHOD = "This client is registered for another authentication method."
_NOBODY = (Secret(bytes(32)),)


class WrongSecret(Refusal):
    """The secret that was sent is not the client's, which may not even exist."""


class AuthlibClient(ClientMixin):
    """The client methods that Authlib's grants still call: its id, and whether it may use a grant type."""

    def __init__(self, client: Client) -> None:
        self.check_grant_type = client.grant_types.__contains__
        self._id = client.id

    def get_client_id(self) -> str:
        return self._id


def authenticate(credentials: Credentials, client: Client | None, now: int) -> None:
    """Raise Refusal unless the credentials prove that the caller is this client: WrongSecret if they contain a secret
    that is not its own. The response is the same for an unknown client, another method and a wrong secret."""
    method = METHODS[credentials.method]
    proven = method(credentials.secret, client, now)
    refusal = WrongSecret if credentials.secret and not proven else Refusal
    if client is None:
        raise _refused(refusal, "no such client")
    # Only a client that has proved its secret is told what is wrong: others would learn which clients exist.
    knows_secret = proven and credentials.secret
    # RFC 6749 s2.3.1: a secret is sent by Basic, or in the body. Client libraries choose one themselves, so a client
    # that registered either may use both. Otherwise only the registered method is accepted, at every endpoint.
    if METHODS.get(client.auth_method) is not method:
        detail = f"registered for {client.auth_method}, not {credentials.method}"
        raise _refused(refusal, detail, OTHER_METHOD if knows_secret else "")
    if client.disabled:
        raise _refused(refusal, "client disabled", DISABLED if knows_secret else "")
    if not proven:
        raise _refused(refusal, _why_unproven(credentials.secret, client))


def _refused(refusal: type[Refusal], detail: str, description: str = "") -> Refusal:
    event = Event("client_authentication_failed", fields={"reason": detail})
    return refusal("invalid_client", detail, 401, description=description, events=[event])


def _with_secret(secret: str, client: Client | None, now: int) -> bool:
    presented = client_secrets.digest(secret)
    secrets = client.secrets if client else _NOBODY
    matches = [hmac.compare_digest(presented, own.hash) and client_secrets.is_valid(own, now) for own in secrets]
    return any(matches)


def _why_unproven(secret: str, client: Client) -> str:
    presented = client_secrets.digest(secret)
    ends = [own.expires_at for own in client.secrets if hmac.compare_digest(presented, own.hash)]
    return f"client secret expired at {utc(ends[0])}" if ends and ends[0] is not None else "wrong client secret"


def _without_secret(_secret: str, _client: Client | None, _now: int) -> bool:
    return True


METHODS: dict[str, Callable[[str, Client | None, int], bool]] = {
    "client_secret_basic": _with_secret,
    "client_secret_post": _with_secret,
    "none": _without_secret,
}
