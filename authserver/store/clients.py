"""Stores clients. Requests read them through a cache (store/cache.py); commands write them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, func, insert, select, union, update
from sqlalchemy.exc import IntegrityError

from ..domain.algorithms import DEFAULT, DEFAULT_TYP
from ..domain.models import Client, Policy, Secret
from .schema import clients as table

_OWN_POLICY = tuple(field.name for field in fields(Policy) if field.name in table.c)
_METADATA = (
    *("application_type", "pkce", "first_party", "client_uri", "logo_uri", "policy_uri", "tos_uri"),
    *("post_logout_redirect_uris", "backchannel_logout_uri", "backchannel_logout_session_required"),
    *("subject_type", "sector_identifier_uri", "id_token_claims"),
)
_DEFAULTS = {field.name: field.default for field in fields(Client) if field.name in _METADATA}
_ALGORITHMS = union(
    *(
        select(column).where(column.is_not(None))
        for column in (table.c.access_token_alg, table.c.id_token_alg, table.c.userinfo_alg)
    )
)
_ORIGINS = select(table.c.web_origins).where(table.c.web_origins.is_not(None), table.c.disabled.is_(False))
_BY_IDS = select(table).where(table.c.id.in_(bindparam("ids", expanding=True)))


def load_many(connection: Connection, ids: Sequence[str]) -> Mapping[str, Client]:
    return {row.id: _client(row) for row in connection.execute(_BY_IDS, {"ids": list(ids)})}


def load(connection: Connection, client_id: str) -> Client | None:
    return load_many(connection, [client_id]).get(client_id)


def load_to_change(connection: Connection, client_id: str) -> Client | None:
    """Load a client and lock it until the transaction ends. On SQLite, BEGIN IMMEDIATE has already locked it."""
    row = connection.execute(select(table).where(table.c.id == client_id).with_for_update()).first()
    return _client(row) if row else None


def load_all(connection: Connection) -> list[Client]:
    return [_client(row) for row in connection.execute(select(table).order_by(table.c.created_at, table.c.id))]


def algorithms(connection: Connection) -> set[str]:
    """Return the algorithms that any client uses, and the default."""
    return {DEFAULT, *connection.execute(_ALGORITHMS).scalars()}


def web_origins_many(connection: Connection, _keys: Sequence[None]) -> Mapping[None, frozenset[str]]:
    """A loader of the origins of all enabled clients; the only key is None."""
    origin_lists = connection.execute(_ORIGINS).scalars()
    return {None: frozenset(origin for origins in origin_lists for origin in origins.split())}


def longest_token_ttl(connection: Connection) -> int:
    """Return the longest access-token lifetime that a client has of its own, in seconds; 0 if none has one."""
    return connection.execute(select(func.max(table.c.access_token_ttl))).scalar() or 0


def add(connection: Connection, client: Client) -> bool:
    """Add a client. Returns False if its id is in use."""
    try:
        with connection.begin_nested():
            connection.execute(insert(table), _values(client))
    except IntegrityError:
        return False
    return True


def put(connection: Connection, client: Client) -> bool:
    """Overwrite the client's row. Returns False if there is none."""
    statement = update(table).where(table.c.id == client.id).values(_values(client))
    return connection.execute(statement).rowcount == 1


def remove(connection: Connection, client_id: str) -> bool:
    """Delete the client and its authorizations. Returns False if there is no such client."""
    return connection.execute(delete(table).where(table.c.id == client_id)).rowcount == 1


def _client(row: Row[Any]) -> Client:
    secrets = (
        Secret(hash, expires_at)
        for hash, expires_at in (
            (row.secret_hash, row.secret_expires_at),
            (row.previous_secret_hash, row.previous_secret_expires_at),
        )
        if hash is not None
    )
    own = {name: value for name in _OWN_POLICY if (value := getattr(row, name)) is not None}
    return Client(
        id=row.id,
        name=row.name,
        auth_method=row.auth_method,
        grant_types=frozenset(row.grant_types.split()),
        scope=tuple(row.scope.split()),
        audiences=tuple(row.audiences.split()),
        redirect_uris=tuple(row.redirect_uris.split()),
        secrets=tuple(secrets),
        disabled=row.disabled,
        created_at=row.created_at,
        access_token_alg=row.access_token_alg or DEFAULT,
        access_token_typ=row.access_token_typ or DEFAULT_TYP,
        web_origins=tuple((row.web_origins or "").split()),
        user_address_header=row.user_address_header or "",
        access_token_claims=tuple((row.access_token_claims or "").split()),
        id_token_alg=row.id_token_alg or DEFAULT,
        userinfo_alg=row.userinfo_alg or "",
        policy=own,
        **_metadata(row.client_metadata),
    )


def _metadata(column: str | None) -> dict[str, Any]:
    """Return the stored members that this version knows: a later one may have written others."""
    stored: dict[str, Any] = json.loads(column) if column else {}
    members = {name: stored[name] for name in _METADATA if name in stored}
    return {name: tuple(value) if isinstance(value, list) else value for name, value in members.items()}


def _values(client: Client) -> dict[str, Any]:
    newest, previous = (*client.secrets, None, None)[:2]
    return {
        "id": client.id,
        "name": client.name,
        "auth_method": client.auth_method,
        "grant_types": " ".join(sorted(client.grant_types)),
        "scope": " ".join(client.scope),
        "audiences": " ".join(client.audiences),
        "redirect_uris": " ".join(client.redirect_uris),
        "secret_hash": newest and newest.hash,
        "secret_expires_at": newest and newest.expires_at,
        "previous_secret_hash": previous and previous.hash,
        "previous_secret_expires_at": previous and previous.expires_at,
        "disabled": client.disabled,
        "created_at": client.created_at,
        "access_token_alg": None if client.access_token_alg == DEFAULT else client.access_token_alg,
        "access_token_typ": None if client.access_token_typ == DEFAULT_TYP else client.access_token_typ,
        "web_origins": " ".join(client.web_origins) or None,
        "user_address_header": client.user_address_header or None,
        "access_token_claims": " ".join(client.access_token_claims) or None,
        "id_token_alg": None if client.id_token_alg == DEFAULT else client.id_token_alg,
        "userinfo_alg": client.userinfo_alg or None,
        "client_metadata": _metadata_text(client),
    } | {name: client.policy.get(name) for name in _OWN_POLICY}


def _metadata_text(client: Client) -> str | None:
    chosen = {name: value for name in _METADATA if (value := getattr(client, name)) != _DEFAULTS[name]}
    return json.dumps(chosen, separators=(",", ":")) if chosen else None
