"""GET and POST /account/email/confirm: a person who opened the link that was sent to a new address, and who is signed
in to the account, makes it the account's address."""

from collections.abc import Iterator

from ..domain import email_address
from ..domain.mail import new_mail
from ..domain.models import LinkKind, User
from ..domain.outbox import NewMessage
from ..pipeline.event import Event
from ..pipeline.handler import Decision
from ..pipeline.replies import BrowserAnswer, GoTo
from ..store.email_changes import change_email
from .browser import BrowserRefusal
from .email import PATH
from .link_pages import LinkPage


class ShowConfirmEmail(LinkPage):
    kind = LinkKind.EMAIL

    def decide(self) -> Decision[BrowserAnswer]:
        user, address = self.user, self.opened.link.address
        return Decision(self.link_page("confirm_email", username=user.username, email=address))

    @property
    def user(self) -> User:
        """The user of the link. Raises BrowserRefusal unless they are signed in: otherwise, people could be tricked
        into confirming their own address for somebody else's account, whose owner could then pass for them."""
        link = self.opened.link
        if self.opened.user is None or self.session is None or self.session.user_id != link.user_id:
            raise BrowserRefusal("link_user", "The link is of another user than the one who is signed in.", 403)
        return self.opened.user


class ConfirmEmail(ShowConfirmEmail):
    def decide(self) -> Decision[BrowserAnswer]:
        self.check_form()
        user = self.user
        change = change_email(self.opened.link, user.id, *self._mails(user))
        done = self.done_path(PATH, "email_changed", self.session.id.hex() if self.session else "")
        return Decision(GoTo(done), change, events=[Event("email_changed")])

    def _mails(self, user: User) -> Iterator[NewMessage]:
        """Tell the account's previous address, in case somebody else made the change."""
        before = email_address.verified_in(user.claims or {})
        if before and before != self.opened.link.address:
            yield new_mail("email_changed", before, self.language, user_id=user.id, username=user.username)
