"""Loads the state of an access token or refresh token: whether it is denied, its authorization, and its client."""

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection

from ..domain.models import Client
from ..domain.record import record
from . import authorizations, clients, signing_keys
from .authorizations import AuthorizationRecord
from .database import Loader


@record(frozen=True, slots=True)
class TokenKey:
    """The claims by which a token is looked up; `authorization_id` is empty for a client's own token."""

    jti: str | None
    authorization_id: bytes | None
    client_id: str | None


@record(frozen=True, slots=True)
class TokenState:
    denied: bool
    record: AuthorizationRecord | None
    client: Client | None


def load_many(connection: Connection, keys: Sequence[TokenKey]) -> Mapping[TokenKey, TokenState]:
    return _load_many(connection, keys, authorizations.load_many)


def load_with_claims_many(connection: Connection, keys: Sequence[TokenKey]) -> Mapping[TokenKey, TokenState]:
    """Like `load_many`, with the claims of the users."""
    return _load_many(connection, keys, authorizations.load_with_claims_many)


def _load_many(
    connection: Connection, keys: Sequence[TokenKey], load_records: Loader[bytes, AuthorizationRecord]
) -> Mapping[TokenKey, TokenState]:
    denied = signing_keys.load_denied_many(connection, [key.jti for key in keys if key.jti])
    records = load_records(connection, [key.authorization_id for key in keys if key.authorization_id])
    owners = clients.load_many(connection, list({key.client_id for key in keys if key.client_id}))
    return {
        key: TokenState(key.jti in denied, records.get(key.authorization_id or b""), owners.get(key.client_id or ""))
        for key in keys
    }
