"""Which events the audit trail keeps, and what it keeps of one. The log has the same events under the same names."""

from collections.abc import Mapping

from .record import record

SUCCESS, FAILURE = "success", "failure"
SERVER = "server"
"""The actor of what the server does without a request or a command."""
ANONYMOUS = "anonymous"
"""The actor of a request that proved neither a user nor a client."""


@record(frozen=True, slots=True)
class Audited:
    result: str = SUCCESS
    """SUCCESS or FAILURE of what the actor tried to do."""
    tells_of_change: bool = True
    """Whether the event is written in the transaction of a change. The others change nothing, and a caller can repeat
    them at will, so equal ones are counted instead of written."""
    by_user: bool = False
    """Whether an authenticated user did it, although the result is FAILURE."""


_ATTEMPT = Audited(FAILURE, tells_of_change=False)
REQUEST_EVENTS: Mapping[str, Audited] = {
    "login": Audited(),
    "login_failed": _ATTEMPT,
    "account_delayed": _ATTEMPT,
    "network_delayed": _ATTEMPT,
    "client_authentication_failed": _ATTEMPT,
    "authorization_ended_by_limit": Audited(),
    "sign_in": Audited(),
    "sign_in_failed": _ATTEMPT,
    "session_ended": Audited(),
    "form_forged": _ATTEMPT,
    "password_reset": Audited(),
    "sign_up": Audited(),
    "email_change_requested": Audited(),
    "email_changed": Audited(),
    "consent_given": Audited(),
    "consent_denied": Audited(FAILURE, by_user=True),
    "consent_withdrawn": Audited(),
    "user_password_changed": Audited(),
    "user_claims_changed": Audited(),
    "user_data_exported": Audited(tells_of_change=False),
    "user_deletion_requested": Audited(),
    "user_deletion_cancelled": Audited(),
    "user_code_wrong": _ATTEMPT,
    "device_allowed": Audited(),
    "device_denied": Audited(FAILURE, by_user=True),
    "code_redeemed": Audited(),
    "code_resubmitted": _ATTEMPT,
    "code_replayed": Audited(FAILURE),
    "code_foreign": _ATTEMPT,
    "revoked": Audited(),
    "access_token_denied": Audited(),
    "refresh_token_retried": Audited(tells_of_change=False),
    "refresh_token_retried_from_elsewhere": Audited(tells_of_change=False),
    "refresh_token_ahead": Audited(),
    "refresh_token_reused": Audited(FAILURE),
    "refresh_token_foreign": _ATTEMPT,
    "refresh_token_refused": _ATTEMPT,
}
"""The audited events of requests, by name. A refresh that succeeds is not among them."""

OTHER_EVENTS = frozenset(
    {
        "database_upgraded",
        "database_copied",
        "database_restored",
        "backup_made",
        "settings_changed",
        "user_created",
        "user_disabled",
        "user_enabled",
        "user_logins_ended",
        "user_deleted",
        "user_unblocked",
        "user_password_changed",
        "user_claims_changed",
        "user_email_changed",
        "user_deletion_cancelled",
        "user_reset_link_made",
        "users_exported",
        "client_created",
        "client_updated",
        "client_disabled",
        "client_enabled",
        "client_deleted",
        "client_secret_rotated",
        "authorization_ended",
        "authorizations_ended",
        "key_changed",
        "key_destroyed",
        "keys_rewrapped",
        "refresh_key_created",
        "subject_key_created",
        "refresh_keys_revoked",
        "refresh_key_removed",
        "message_given_up",
        "message_retried",
    }
)
"""The audited events of commands and of background tasks: each tells of a change."""
MAY_END = frozenset(
    {
        "user_disabled",
        "user_enabled",
        "user_logins_ended",
        "user_deleted",
        "user_password_changed",
        "password_reset",
        "client_disabled",
        "client_enabled",
        "client_deleted",
        "refresh_keys_revoked",
        "authorizations_ended",
        "database_restored",
    }
)
"""The events that may end or suspend authorizations that they do not name, of their user, their client or everybody."""


@record(frozen=True, slots=True)
class AuditRecord:
    """One event for the audit trail; its time is that of the transaction. Empty fields do not apply to it."""

    event: str
    actor: str
    """`os:NAME` for a command, `user:SUBJECT`, `client:CLIENT_ID` or `anonymous` for a request, `server` otherwise."""
    result: str = SUCCESS
    user: str = ""
    """The username, of a user that exists."""
    subject: str = ""
    client_id: str = ""
    authorization_id: str = ""
    """In hexadecimal digits."""
    network: str = ""
    detail: str = ""


def of_request(event: str, fields: Mapping[str, str], user: str, *, from_client: bool = True) -> AuditRecord:
    """Return the record of an audited event of a request. `fields` are those of its log line, and `user` is the
    username, if the user is known. `from_client` says whether the client sent the request, and not a browser."""
    rest = dict(fields)
    subject, client_id = rest.pop("subject", ""), rest.pop("client_id", "")
    authorization_id, network = rest.pop("grant_id", ""), rest.pop("network", "")
    audited = REQUEST_EVENTS[event]
    is_by_user = audited.result == SUCCESS or audited.by_user
    actor = _actor(client_id if from_client else "", subject if is_by_user else "")
    return AuditRecord(event, actor, audited.result, user, subject, client_id, authorization_id, network, detail(rest))


def _actor(client_id: str, subject: str) -> str:
    if subject:
        return f"user:{subject}"
    return f"client:{client_id}" if client_id else ANONYMOUS


def detail(fields: Mapping[str, str]) -> str:
    """Return the fields that have a value as one text: the reason first, the others with their names."""
    others = (f"{name} {value}" for name, value in fields.items() if name != "reason" and value)
    return "; ".join(text for text in (fields.get("reason", ""), *others) if text)
