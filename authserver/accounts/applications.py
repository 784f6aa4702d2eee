"""GET /account/applications: which applications have access to a person's account, and to what. GET and POST
/account/applications/end: removing the access of one."""

from dataclasses import dataclass

from ..domain import first_party
from ..domain.models import Session, User
from ..domain.times import minute
from ..pipeline.event import Event
from ..pipeline.handler import Decision
from ..pipeline.replies import BrowserAnswer, GoTo
from ..store import consents
from ..store.account_data import Application, Part
from .account_pages import AccountForm, AccountPage

LIST, END = "/account/applications", "/account/applications/end"


@dataclass(frozen=True, slots=True)
class ApplicationShown:
    """What a page shows about an application."""

    id: str
    name: str
    uri: str
    scopes: tuple[str, ...]
    claims: tuple[str, ...]
    resources: tuple[str, ...]
    since: str
    used: str
    """Since when it has access, and when it last used it, as text."""
    asks: bool
    """Whether it gets access again only if the person agrees."""


def shown(application: Application) -> ApplicationShown:
    client, consent, active = application.client, application.consent, application.authorizations
    scopes = [*(consent.scope if consent else ()), *(scope for each in active for scope in each.scope)]
    resources = [*(consent.resources if consent else ()), *(name for each in active for name in each.resources)]
    begun = [each.created_at for each in active] + ([consent.granted_at] if consent else [])
    used = [max(each.created_at, each.rotated_at) for each in active] or begun
    return ApplicationShown(
        client.id,
        client.name,
        client.client_uri,
        tuple(dict.fromkeys(scopes)),
        consent.claims if consent else (),
        tuple(dict.fromkeys(resources)),
        minute(min(begun)),
        minute(max(used)),
        first_party.asks(client),
    )


class ApplicationPage(AccountPage):
    parts = (Part.APPLICATIONS,)

    def asked_for(self) -> Application | None:
        """The application that the request names, if it has access."""
        named = self.request.value("client_id")
        return next((each for each in self.account.applications if each.client.id == named), None)


class ShowApplications(ApplicationPage):
    path = LIST

    def answer(self, session: Session, user: User) -> Decision[BrowserAnswer]:
        rows = [shown(each) for each in self.account.applications]
        return Decision(self.account_page("applications", applications=rows, done=self.done("access_ended")))


class AskToEndAccess(ApplicationPage):
    path = END

    def answer(self, session: Session, user: User) -> Decision[BrowserAnswer]:
        application = self.asked_for()
        if application is None:
            return Decision(GoTo(LIST))
        return Decision(self.account_page("end_access", application=shown(application)))


class EndAccess(AccountForm, ApplicationPage):
    path = END

    def answer(self, session: Session, user: User) -> Decision[BrowserAnswer]:
        application = self.asked_for()
        if application is None:
            return Decision(GoTo(LIST))
        ended = Event("consent_withdrawn", fields={"client_id": application.client.id})
        change = consents.withdraw(user.id, application.client.id)
        return Decision(self.go_to_done(LIST, "access_ended", session), change, events=[ended])
