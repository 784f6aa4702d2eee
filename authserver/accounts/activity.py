"""GET /account/activity: what happened to an account lately, as the audit trail has it."""

from collections.abc import Sequence
from dataclasses import dataclass

from ..domain.models import Session, User
from ..domain.times import minute
from ..pipeline.handler import Decision
from ..pipeline.replies import BrowserAnswer
from ..store.account_data import Part
from ..store.events import StoredEvent
from .account_pages import AccountPage

_SHOWN = 50
TOLD = frozenset(
    {
        *("sign_in", "sign_in_failed", "login", "login_failed", "account_delayed", "session_ended"),
        *("consent_given", "consent_denied", "consent_withdrawn", "revoked", "refresh_token_reused", "code_replayed"),
        *("user_created", "user_password_changed", "user_claims_changed", "user_email_changed", "user_disabled"),
        *("user_enabled", "user_logins_ended", "user_data_exported", "user_deletion_requested"),
        *("user_deletion_cancelled", "password_reset", "sign_up", "email_changed"),
    }
)
"""The events that say something to a person; templates/account_words.html has the words."""


@dataclass(frozen=True, slots=True)
class EventShown:
    name: str
    at: str
    client: str
    network: str


def told(events: Sequence[StoredEvent], clients: dict[str, str]) -> list[EventShown]:
    """Return the newest events of those that say something to a person. `clients` are names, by id."""
    return [
        EventShown(
            event.record.event,
            minute(event.at),
            clients.get(event.record.client_id, event.record.client_id),
            event.record.network,
        )
        for event in events
        if event.record.event in TOLD
    ][:_SHOWN]


class ShowActivity(AccountPage):
    path = "/account/activity"
    parts = (Part.EVENTS, Part.APPLICATIONS)

    def answer(self, session: Session, user: User) -> Decision[BrowserAnswer]:
        names = {each.client.id: each.client.name for each in self.account.applications}
        return Decision(self.account_page("activity", events=told(self.account.events, names)))
