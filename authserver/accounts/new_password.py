"""A new password that a person chooses, at whatever page: the rules are those for operators."""

from dataclasses import dataclass, field

from ..domain import email_address
from ..domain.errors import Unavailable
from ..domain.mail import new_mail
from ..domain.models import User
from ..domain.outbox import NewMessage
from ..domain.user_rules import Weakness, weakness
from ..passwords import common_passwords, password_form
from ..pipeline.errors import Refusal
from ..pipeline.handler import Services
from .sign_in_form import Busy


class WeakPassword(Refusal):
    """A new password that breaks a rule. The code is that of its weakness."""

    def __init__(self, weakness: Weakness) -> None:
        super().__init__(weakness.code, f"weak password: {weakness.code}", 422)


_MALFORMED = Weakness("malformed", "The password has control characters, or more than 1024 bytes.")


@dataclass(frozen=True, slots=True)
class NewPassword:
    services: Services = field(repr=False)
    text: str = field(repr=False)
    """As it was typed."""
    username: str
    """The user's, in its canonical form."""

    @property
    def weakness(self) -> Weakness | None:
        """Which rule it breaks; None if it may be used. It costs little."""
        form = password_form(self.text) if self.text else ""
        if form is None:
            return _MALFORMED
        return weakness(
            form, username=self.username, min_length=self.services.password_min_length, common=common_passwords()
        )

    async def hash(self, network: str) -> str:
        """Return its hash. Raises WeakPassword, and Busy if it could not be made in time."""
        if weakness := self.weakness:
            raise WeakPassword(weakness)
        try:
            return await self.services.passwords.hash_new(password_form(self.text) or "", network)
        except Unavailable as error:
            raise Busy(str(error), error.retry_after) from error


def mails_of_change(services: Services, user: User, language: str) -> list[NewMessage]:
    """Return the mails that tell a user, with their claims, of a new password: somebody else may have chosen it."""
    address = email_address.verified_in(user.claims or {})
    if not address or not services.mail:
        return []
    return [new_mail("password_changed", address, language, user_id=user.id, username=user.username)]
