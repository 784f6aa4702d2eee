"""GET and POST /logout (OpenID Connect RP-Initiated Logout 1.0), and the form of the page that asks first."""

from functools import cached_property
from urllib.parse import quote_plus, urlencode

from ...accounts.browser import BrowserHandler
from ...accounts.ended import session_ended
from ...accounts.request import parse_parameters
from ...domain import logout_request
from ...domain.authorization_request import Parameters
from ...domain.id_token import Hint
from ...domain.logout_request import Return
from ...domain.models import Client, Session, User
from ...domain.session_end import EndedBy
from ...pipeline.errors import Stale
from ...pipeline.event import Event
from ...pipeline.handler import Decision
from ...pipeline.replies import BrowserAnswer, GoTo, Page, Redirect
from ...store import sessions
from .. import id_tokens
from ..shown import shown

PATH = "/logout"
_STAYED = "/account"
_MAX_IN_FORM = 32 * 1024
"""Bytes of the request in the form of our page, which is encoded twice by then: 10 KiB of brackets are 50 KiB."""


class LogoutHandler(BrowserHandler):
    after_form = False

    @cached_property
    def parameters(self) -> Parameters:
        """The logout request's."""
        return self.request.parameters

    def client_id(self) -> str | None:
        return logout_request.client_id_of(self.parameters, self.hint) or None

    @cached_property
    def hint(self) -> Hint | None:
        """What the id_token_hint says, if it is an ID token of this server."""
        return id_tokens.hint_of(self.parameters.values.get("id_token_hint", ""), self.services)

    @property
    def ui_locales(self) -> str:
        return self.parameters.values.get("ui_locales", "")

    @property
    def target(self) -> Return | None:
        """Where the browser may go afterwards. Raises Stale if the cached client may lack a new URI."""
        target = logout_request.return_of(self.parameters, self.hint, self.accepted)
        names_uri = "post_logout_redirect_uri" in self.parameters.values
        if target is None and names_uri and not self.is_current(self.accepted):
            raise Stale
        return target

    def end(self, session: Session, *, offline: bool) -> Decision[BrowserAnswer]:
        ended = session_ended(session.id, EndedBy.SIGN_OUT)
        return Decision(self.farewell(), sessions.end(session.id, offline=offline), events=[ended])

    def farewell(self) -> BrowserAnswer:
        """Return where the browser goes once nobody is signed in to it."""
        target, cookies = self.target, {"session": None}
        if target is None:
            return self.without_target()
        # s3: if included in the logout request, the OP passes this value back to the RP using the state parameter.
        state = () if target.state is None else (("state", target.state),)
        client, ui_locales = shown(self.accepted), self.ui_locales
        return Redirect(target.uri, state, "query", self.after_form, client, ui_locales, cookies)

    def without_target(self) -> BrowserAnswer:
        raise NotImplementedError

    @property
    def query(self) -> str:
        """The logout request as a query string, of ASCII characters whatever its bytes are; "" if it is longer than a
        form can carry. Then the person stays here after signing out."""
        values = self.parameters.values
        query = urlencode(
            {name: values[name] for name in logout_request.NAMES if name in values}, errors="surrogateescape"
        )
        return query if len(quote_plus(query)) <= _MAX_IN_FORM else ""


class Logout(LogoutHandler):
    def decide(self) -> Decision[BrowserAnswer]:
        farewell = self.farewell()
        request = (self.parameters, self.hint, self.accepted)
        if self.signed_in is None:
            return Decision(farewell, events=self._doubts(logout_request.why_unproven(*request)))
        session, user = self.signed_in
        reason = logout_request.why_ask(*request, user, *self._names(session))
        if reason:
            return Decision(self._confirmation(session, user), events=self._doubts(reason))
        return self.end(session, offline=False)

    def _doubts(self, reason: str) -> list[Event]:
        """Return the event that tells developers why their request was not simply followed."""
        is_asked = not self.parameters.sent.isdisjoint(logout_request.NAMES)
        return [Event("logout_unproven", fields={"reason": reason})] if reason and is_asked else []

    def _confirmation(self, session: Session, user: User) -> Page:
        return self.form_page(
            "sign_out",
            f"{PATH}/confirm",
            shown=session.id.hex(),
            username=user.username,
            client=shown(self._client()),
            request=self.query,
        )

    def without_target(self) -> BrowserAnswer:
        client = self._client()
        values = {"client": shown(client), "back": client.client_uri if client else ""}
        return Page("signed_out", values, ui_locales=self.ui_locales, cookies={"session": None})

    def _names(self, session: Session) -> tuple[str, str]:
        """Return the ids by which the client that sent the browser knows the user and the session."""
        keyring, client = self.services.keyring, self.accepted
        if client is None:
            return session.user_id, session.id.hex()
        return keyring.subject(client, session.user_id), keyring.sid(client, session.id)

    def _client(self) -> Client | None:
        return None if self.accepted is None or self.accepted.disabled else self.accepted


class ConfirmLogout(LogoutHandler):
    """The form acts for the session that its page showed, and for no other."""

    after_form = True

    @cached_property
    def parameters(self) -> Parameters:
        return parse_parameters(self.request.value("request").encode(errors="surrogateescape"))

    def decide(self) -> Decision[BrowserAnswer]:
        self.check_form()
        if self.session is None:
            return Decision(self.farewell())
        answer = self.request.value("answer")
        if self.request.shown != self.session.id.hex() or answer not in ("sign-out", "stay"):
            return Decision(GoTo(f"{PATH}?{self.query}"))
        if answer == "stay":
            return Decision(GoTo(_STAYED))
        return self.end(self.session, offline=bool(self.request.value("offline")))

    def without_target(self) -> BrowserAnswer:
        return GoTo(f"{PATH}?{self.query}", {"session": None})
