"""Forms without a password that are counted like attempts to sign in, because each network may send only so many."""

from ..domain.attempts import AttemptLimits, Budget
from ..pipeline.errors import TooManyAttempts
from ..store import sign_ins
from ..store.changes import Change
from ..store.sign_ins import SignInAttempt, SignInKey
from .browser import BrowserHandler


class CountedForm(BrowserHandler):
    counted: SignInAttempt
    budget: Budget | None = None
    """How many attempts one account has, if that is limited, too."""

    def counted_key(self, account: str) -> SignInKey:
        """Return the key that loads the counters, and no user. The form counts against `account` and against the
        network."""
        keys = self.services.keyring.attempt_keys(account, self.request.network, self.now)
        limits = AttemptLimits(self.budget, self.services.attempt_limits.network)
        self.counted = SignInAttempt(keys, is_known=False, limits=limits)
        return SignInKey(None, self.request.network, keys)

    def check_offered(self) -> None:
        """Raise Refusal if the server does not offer this, or if what was typed cannot be right: neither is counted."""

    def count(self) -> Change | None:
        """Count the form, unless it is forged."""
        self.check_form()
        self.check_offered()
        if self.is_counted:
            return None
        rows = self.loaded.sign_in.rows if self.loaded.sign_in else {}
        judged = self.counted.judge(rows, self.now)
        if judged.counters is None:  # most of a flood writes nothing
            self.counted.judged[:] = [judged]
            self.check_counted()
            return None
        return sign_ins.count(self.counted)

    def check_counted(self) -> None:
        """Raise TooManyAttempts if the network must wait."""
        (judged,) = self.counted.judged
        if judged.full == "network":
            raise TooManyAttempts("network must wait", judged.wait)
