"""A new password, on whichever page a person chooses it. The rules are the same as for operators."""

from dataclasses import dataclass, field

from ..domain.errors import Unavailable
from ..domain.user_rules import Weakness, weakness
from ..passwords import common_passwords, password_form
from ..pipeline.errors import Refusal
from ..pipeline.handler import Services
from .sign_in_form import Busy


class WeakPassword(Refusal):
    """A new password that breaks a rule. The code is that of its weakness."""

    def __init__(self, weakness: Weakness) -> None:
        super().__init__(weakness.code, f"weak password: {weakness.code}", 422)


_SAME = Weakness("same", "This is the current password. Choose another.")
_MALFORMED = Weakness("malformed", "The password has control characters, or more than 1024 bytes.")


@dataclass(frozen=True, slots=True)
class NewPassword:
    services: Services = field(repr=False)
    text: str = field(repr=False)
    """As it was typed."""
    username: str
    """The user's, in its canonical form."""
    present: str | None = field(default=None, repr=False)
    """The current password as it was typed, if it has just proved to be right. None if it was not asked for: then the
    new one is not compared with it, because a person with a link could find out by trial what it is."""

    @property
    def weakness(self) -> Weakness | None:
        """The rule that it breaks; None if it may be used. Computing it is cheap."""
        form = password_form(self.text) if self.text else ""
        if form is None:
            return _MALFORMED
        if self.present is not None and form == password_form(self.present):
            return _SAME
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
