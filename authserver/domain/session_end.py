"""Why a session ended: the reasons in the event `session_ended`. Each way to end one has its own.

`accounts/ended.py` makes the event for requests; `cli/session.py` and `cli/user.py` write it for commands.
"""

from enum import StrEnum


class EndedBy(StrEnum):
    SIGN_OUT = "signed out"
    """In that browser."""
    USER = "ended by its user"
    """In another browser."""
    ANOTHER_USER = "another user signed in"
    TOO_MANY = "the user has too many browsers"
    PASSWORD_CHANGE = "password changed"  # noqa: S105
    PASSWORD_RESET = "password chosen with a link"  # noqa: S105
    DELETION_REQUEST = "account deletion requested"
    OPERATOR = "ended by an operator"
    LOGINS_ENDED = "all logins ended by an operator"
    NEW_PASSWORD = "password changed by an operator"  # noqa: S105
    DISABLING = "user disabled"
    DELETION = "user deleted"
