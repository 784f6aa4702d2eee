"""GET /account/activity: what happened to an account recently, according to the audit trail."""

from dataclasses import dataclass

from ..domain import activity
from ..domain.models import Session, User
from ..domain.times import minute
from ..pipeline.handler import Decision
from ..pipeline.replies import BrowserAnswer
from ..store.account_data import Activity, Part
from .account_pages import AccountPage


@dataclass(frozen=True, slots=True)
class EventShown:
    name: str
    at: str
    client: str
    network: str


def told(lately: Activity) -> list[EventShown]:
    return [
        EventShown(
            activity.word(event.record),
            minute(event.at),
            lately.clients.get(event.record.client_id, event.record.client_id),
            event.record.network,
        )
        for event in lately.events
    ]


class ShowActivity(AccountPage):
    path = "/account/activity"
    parts = (Part.ACTIVITY,)

    def answer(self, session: Session, user: User) -> Decision[BrowserAnswer]:
        return Decision(self.account_page("activity", events=told(self.account.activity)))
