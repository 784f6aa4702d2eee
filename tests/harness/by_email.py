"""Finds a user by a verified address."""

from sqlalchemy import Connection

from authserver.domain.models import User
from authserver.store import users


def user_by_email(connection: Connection, address: str) -> User | None:
    return users.load_by_email_many(connection, [address]).get(address)
