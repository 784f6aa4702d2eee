"""GET and POST /device: a person types the code that their device shows."""

from ...accounts.browser import BrowserHandler
from ...accounts.counted_form import CountedForm
from ...accounts.interaction import new_interaction, path_of
from ...accounts.request import hashed
from ...domain import user_code
from ...domain.models import DeviceCode
from ...pipeline.errors import Refusal, TooManyAttempts
from ...pipeline.event import Event
from ...pipeline.handler import Decision
from ...pipeline.replies import BrowserAnswer, GoTo, Page
from ...store import sign_ins
from ...store.browser_state import BrowserKey
from . import PATH

NO_REQUEST = "[{},[]]"
"""In place of the parameters of an authorization request."""


class WrongUserCode(Refusal):
    """No device waits with the code that was typed."""

    def __init__(self, detail: str, *events: Event) -> None:
        super().__init__("user_code", detail, 422, events=events)


class UserCodePage(BrowserHandler):
    def user_code_page(self, typed: str, error: str = "", status: int = 200, wait: int = 0) -> Page:
        """Return the page that asks for the code. `error` is `wrong`, or `delayed` (with `wait`, in seconds)."""
        return self.form_page("device", PATH, status=status, retry_after=wait, user_code=typed, error=error, wait=wait)


class ShowDevice(UserCodePage):
    def decide(self) -> Decision[BrowserAnswer]:
        # RFC 8628 s3.3.1: with the optimization that the user does not need to type in the "user_code". But they see
        # it, and nothing happens until they go on.
        code = user_code.parse(self.request.value("user_code"))
        return Decision(self.user_code_page(user_code.shown(code) if code else ""))


class EnterUserCode(CountedForm, UserCodePage):
    """RFC 8628 s5.1: it is recommended that the server rate-limit user code attempts. They count like passwords, for
    the network and for the browser."""

    def key(self) -> BrowserKey:
        self.budget = self.services.attempt_limits.account
        counters = self.counted_key(f"user code {(hashed(self.request.browser) or b'').hex()}")
        macs = self.services.keyring.user_code_macs(self.typed) if self.typed else ()
        return BrowserKey(hashed(self.request.session), sign_in=counters, user_code_macs=macs)

    @property
    def typed(self) -> str | None:
        """The code; None if it cannot be one."""
        return user_code.parse(self.request.value("user_code"))

    def check_offered(self) -> None:
        if self.typed is None:
            raise WrongUserCode("not a user code")

    def check_counted(self) -> None:
        (judged,) = self.counted.judged
        if judged.full:
            raise TooManyAttempts(f"{judged.full} must wait", judged.wait)

    def decide(self) -> Decision[BrowserAnswer]:
        code = self._waiting()
        interaction = new_interaction(self, code.client_id, NO_REQUEST, device_code_hash=code.hash)
        change = sign_ins.begin_interaction(interaction, self.counted)
        return Decision(GoTo(path_of(interaction), self.browser_cookie), change)

    def refuse(self, refusal: Refusal) -> BrowserAnswer:
        if isinstance(refusal, WrongUserCode | TooManyAttempts):
            error = "wrong" if isinstance(refusal, WrongUserCode) else "delayed"
            return self.user_code_page(self.request.value("user_code"), error, refusal.status, refusal.retry_after)
        return super().refuse(refusal)

    def _waiting(self) -> DeviceCode:
        """Return the device that waits with this code. Raises WrongUserCode."""
        code = self.loaded.device
        if code is None:
            raise WrongUserCode("no such user code", Event("user_code_wrong"))
        if code.answered_at is not None or self.now >= code.expires_at:
            raise WrongUserCode("user code used already" if code.answered_at is not None else "user code expired")
        return code
