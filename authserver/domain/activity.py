"""Which events of the audit trail are shown to the person whom they concern."""

from collections.abc import Mapping

from .audit import AuditRecord
from .session_end import EndedBy

TOLD = frozenset(
    {
        *("sign_in", "sign_in_failed", "login", "login_failed", "account_delayed", "session_ended"),
        *("consent_given", "consent_denied", "consent_withdrawn", "device_allowed", "device_denied"),
        *("revoked", "refresh_token_reused", "code_replayed"),
        *("user_created", "user_password_changed", "user_claims_changed", "user_email_changed", "user_disabled"),
        *("user_enabled", "user_logins_ended", "user_data_exported", "user_deletion_requested"),
        *("user_deletion_cancelled", "user_reset_link_made", "password_reset", "sign_up"),
        *("email_change_requested", "email_changed"),
    }
)
"""templates/account_words.html has the words."""
ENDS = {
    EndedBy.SIGN_OUT: "session_ended_by_sign_out",
    EndedBy.USER: "session_ended_by_user",
    EndedBy.ANOTHER_USER: "session_ended_by_another_user",
    EndedBy.TOO_MANY: "session_ended_by_limit",
    EndedBy.PASSWORD_CHANGE: "session_ended_by_password",
    EndedBy.PASSWORD_RESET: "session_ended_by_reset",
    EndedBy.DELETION_REQUEST: "session_ended_by_deletion",
    EndedBy.OPERATOR: "session_ended_by_operator",
    EndedBy.LOGINS_ENDED: "session_ended_by_operator",
    EndedBy.NEW_PASSWORD: "session_ended_by_operator",
    EndedBy.DISABLING: "session_ended_by_operator",
}
"""The names by which the words for the ends of sessions are found. One without is `session_ended`."""
_BY_REASON: Mapping[str, str] = {str(reason): name for reason, name in ENDS.items()}


def word(record: AuditRecord) -> str:
    """Return the name by which the words for the event are found."""
    reason = record.detail.partition("; ")[0]
    return _BY_REASON.get(reason, record.event) if record.event == "session_ended" else record.event
