"""Cancels a user's own deletion request when an operator disables or enables the user."""

from ..domain.languages import LANGUAGES, choose
from ..domain.mail import notices
from ..settings import load
from ..store import outbox, users
from ..store.database import Connection
from .common import now
from .named_user import load_user
from .recording import record


def set_disabled(connection: Connection, username: str, disabled: bool) -> bool:
    """Do as `users.set_disabled`. Cancels the user's deletion request, if there is one, and tells the user by email if
    a mail server is configured."""
    user = load_user(connection, username, users.load_with_claims)
    if user.delete_at is not None:
        record(connection, "user_deletion_cancelled", user=user)
    if user.delete_at is not None and load().smtp_url:
        language = choose(tuple(LANGUAGES), str((user.claims or {}).get("locale", "")), "")
        mails = notices("deletion_cancelled", user, language, by_operator=True)
        outbox.add_many(connection, mails, now(connection))
    return users.set_disabled(connection, username, disabled)
