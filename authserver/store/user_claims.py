"""Stores the claims of users. The verified address among them is also in a column of its own, by which a user is found.
It is derived here, wherever claims are written, so that both always agree.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, select
from sqlalchemy.exc import IntegrityError

from ..domain import claim_rules, email_address
from ..domain.errors import Refused
from .schema import links
from .schema import user_claims as table

_OWNERS = select(table.c.email, table.c.user_id).where(table.c.email.in_(bindparam("addresses", expanding=True)))

_EMAIL = select(table.c.email).where(table.c.user_id == bindparam("user"))
_LOCKED = select(table.c.claims).where(table.c.user_id == bindparam("user")).with_for_update()


class EmailInUse(Refused):
    """Another user has this verified address. The text names it, for an operator."""

    def __init__(self, address: str) -> None:
        super().__init__(
            f"Another user has the verified address {address}. Two users cannot share one: whoever reads its mail can "
            "set a new password."
        )


def owners_of(connection: Connection, addresses: Iterable[str]) -> Mapping[str, str]:
    """Return the id of the user who has each verified address, in its canonical form, if anybody has it."""
    rows = connection.execute(_OWNERS, {"addresses": list(addresses)})
    return {row.email: row.user_id for row in rows}


def add_many(connection: Connection, claims: Mapping[str, Mapping[str, Any]]) -> None:
    """Add claims by the ids of users who have none. Raises EmailInUse."""
    rows = [_row(user_id, members) for user_id, members in claims.items() if members]
    if not rows:
        return
    try:
        with connection.begin_nested():
            connection.execute(insert(table), rows)
    except IntegrityError:
        raise EmailInUse(_in_use(connection, rows)) from None


def lock(connection: Connection, user_id: str) -> dict[str, Any]:
    """Return the claims of a user. Nobody else can change them until the transaction ends."""
    claims = connection.execute(_LOCKED, {"user": user_id}).scalar()
    members: dict[str, Any] = json.loads(claims) if claims is not None else {}
    return members


def replace(connection: Connection, user_id: str, claims: Mapping[str, Any]) -> None:
    """Replace the claims of an existing user. Their next access tokens contain them. If the verified address changes,
    links that the user was sent before stop working. Raises EmailInUse, and then the transaction must be rolled
    back."""
    if connection.execute(_EMAIL, {"user": user_id}).scalar() != email_address.verified_in(claims):
        connection.execute(delete(links).where(links.c.user_id == user_id, links.c.used_at.is_(None)))
    connection.execute(delete(table).where(table.c.user_id == user_id))
    add_many(connection, {user_id: claims})


def _row(user_id: str, claims: Mapping[str, Any]) -> dict[str, Any]:
    return {"user_id": user_id, "claims": claim_rules.as_text(claims), "email": email_address.verified_in(claims)}


def _in_use(connection: Connection, rows: list[dict[str, Any]]) -> str:
    """Return the address that rows could not be added for: one that is in use, or that is in two of them."""
    addresses = sorted(row["email"] for row in rows if row["email"])
    taken = owners_of(connection, addresses)
    return next((address for address in addresses if address in taken or addresses.count(address) > 1), "")
