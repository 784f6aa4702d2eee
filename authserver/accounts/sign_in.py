"""Signs people in with a password, for every endpoint that accepts one. An attempt is counted before its password is
hashed."""

from collections.abc import Sequence
from functools import cached_property

from ..domain.attempts import AttemptLimits, Judgement
from ..domain.models import SECOND, Authorization, Session, User
from ..domain.outbox import NewMessage
from ..passwords import PasswordCheck, username_form
from ..pipeline.errors import TooManyAttempts
from ..pipeline.event import Event
from ..pipeline.handler import Services
from ..store import sign_ins
from ..store.changes import Change
from ..store.sessions import BeginSession
from ..store.sign_ins import SignInAttempt, SignInKey, SignInRecord

_REMEMBERED_ANEW = 86400 * SECOND
"""The time of a known network is written again only after this long, so that not every sign-in writes it."""


class PasswordSignIn:
    """One user's attempt to sign in. `record` is set once it is loaded, and `check` once the password is hashed."""

    check = PasswordCheck(False)
    record = SignInRecord({})

    def __init__(
        self, services: Services, username: str, password: str | None, *, network: str, limits: AttemptLimits, now: int
    ) -> None:
        """`username` is as it was sent. `password` is in its canonical form; None if it has none, so that no user can
        have it: it is neither counted nor hashed. `network` is the user's. `now` is in microseconds."""
        self._services, self._username, self._password = services, username, password
        self._network, self._limits, self._now = network, limits, now

    @cached_property
    def key(self) -> SignInKey:
        """What is to be loaded."""
        form = username_form(self._username)
        account = account_of(self._username, form)
        keys = self._services.keyring.attempt_keys(account, self._network, self._now)
        return SignInKey(form, self._network, keys)

    @cached_property
    def attempt(self) -> SignInAttempt:
        return SignInAttempt(self.key.keys, self.record.is_known(self._now), self._limits)

    @cached_property
    def user(self) -> User | None:
        return self.record.user

    def count(self) -> Change | None:
        """Return the change that counts the attempt, or None if there is nothing to count. Raises TooManyAttempts
        without a write if what was loaded is enough to refuse it: most of a flood writes nothing."""
        if self._password is None:
            return None
        judged = self.attempt.judge(self.record.rows, self._now)
        if judged.counters is None:
            _check(judged)
            return None
        return sign_ins.count(self.attempt)

    def check_counted(self) -> None:
        """Raise TooManyAttempts if the attempt was refused when it was counted."""
        _check(self.attempt.judged[0])

    async def authenticate(self) -> None:
        """Hash the password. Raises Unavailable."""
        if self._password is None:
            return
        user, match = self.user, self._services.passwords.match
        renew, password_hash = user is not None and not user.disabled, user.password_hash if user else None
        is_known = self.attempt.is_known
        self.check = await match(password_hash, self._password, self._network, is_known=is_known, renew=renew)

    def why_refused(self) -> str:
        """Return why the user may not sign in, once the password is hashed; "" if they may."""
        if self.user is None:
            return "no such user"
        if not self.check.matches:
            return "wrong password"
        return "user disabled" if self.user.disabled else ""

    def begin(self, authorization: Authorization, *, limit: int, ended: list[bytes]) -> Change:
        """Return the change that begins the authorization of the user, whose password was right, gives the attempt back
        and remembers the network. See `store.authorizations.begin` for `limit` and `ended`."""
        return sign_ins.begin(
            authorization,
            self.attempt,
            limit=limit,
            rehashed=self.check.rehashed,
            ended=ended,
            network=self._network_to_remember(),
        )

    def begin_session(
        self,
        session: Session,
        *,
        before: Session | None,
        interaction_id: bytes | None,
        limit: int,
        ended: list[bytes],
        restores: bool = False,
        mails: Sequence[NewMessage] = (),
    ) -> Change:
        """Return the change that begins the session of the user, and otherwise does the same as `begin`. `before` is
        the session of this browser so far, and `interaction_id` what the user signs in for, if an application asked.
        See `store.sessions.BeginSession` for the others."""
        begin = BeginSession(session, before, interaction_id, self.check.rehashed, limit, ended, restores, mails)
        return sign_ins.begin_session(begin, self.attempt, network=self._network_to_remember())

    def _network_to_remember(self) -> str:
        seen_at = self.record.seen_at
        return self._network if seen_at is None or self._now - seen_at > _REMEMBERED_ANEW else ""

    def events_of_failure(self) -> list[Event]:
        """Return the events of a wrong password besides the failure itself: who has to wait from now on."""
        judged = self.attempt.judged
        waits = judged[0].wait if judged else 0
        account = Event("account_delayed", "warning", {"wait": _seconds(waits)})
        return ([account] if waits else []) + (
            [Event("network_delayed", "warning")] if judged and judged[0].fills_network else []
        )


def account_of(username: str, form: str | None) -> str:
    """Return what the attempts at a username are counted by. `form` is its canonical form. A name that has none, so
    that nobody can have it, is counted like any other that nobody has."""
    return f"invalid {username}" if form is None else f"valid {form}"


def _check(judged: Judgement) -> None:
    if judged.full:
        raise TooManyAttempts(f"{judged.full} must wait", judged.wait)


def _seconds(wait: int) -> str:
    return f"{-(-wait // SECOND)} s"
