"""Which events of the audit trail say something to the person whom they are about."""

from .audit import AuditRecord

TOLD = frozenset(
    {
        *("sign_in", "sign_in_failed", "login", "login_failed", "account_delayed", "session_ended"),
        *("consent_given", "consent_denied", "consent_withdrawn", "revoked", "refresh_token_reused", "code_replayed"),
        *("user_created", "user_password_changed", "user_claims_changed", "user_email_changed", "user_disabled"),
        *("user_enabled", "user_logins_ended", "user_data_exported", "user_deletion_requested"),
        *("user_deletion_cancelled", "user_reset_link_made", "password_reset", "sign_up", "email_changed"),
    }
)
"""templates/account_words.html has the words."""
ENDS = {
    "ended by its user": "session_ended_by_user",
    "ended by an operator": "session_ended_by_operator",
    "password changed": "session_ended_by_password",
}
"""The ends of sessions that have words of their own, by the reason in the audit trail."""


def word(record: AuditRecord) -> str:
    """Return the name by which the words for the event are found."""
    reason = record.detail.partition("; ")[0]
    return ENDS.get(reason, record.event) if record.event == "session_ended" else record.event
