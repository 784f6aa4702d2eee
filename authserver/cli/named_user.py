"""The user whom a command names."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from ..domain.user_rules import UserRefused, check_username
from ..passwords import username_form
from ..store import users
from .common import fail

if TYPE_CHECKING:
    from ..domain.models import User
    from ..store.database import Connection


def load_user(
    connection: "Connection", name: str, load: "Callable[[Connection, str], User | None]" = users.load
) -> "User":
    """Return the user with this name. Raises ClickException if there is none."""
    user = load(connection, username_of(name))
    if user is None:
        raise fail(f"There is no user {name}. To list all users: authserver user list")
    return user


def username_of(name: str) -> str:
    """Return the canonical form of the name. Raises UsageError if no user can have it."""
    try:
        return check_username(username_form(name))
    except UserRefused as error:
        raise click.UsageError(str(error)) from None
