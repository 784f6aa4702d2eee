"""What ought to become of refresh tokens, kept by hand: the oracle of the state machine.

It knows no rows, generations or MACs. It remembers which strings each login was given, in their order, and what may
be done with the newest, with the one before it, and with all older ones. Times are microseconds.
"""

from dataclasses import dataclass, field
from typing import Any

MICROSECONDS = 1_000_000
KINDS = {"closed", "unknown", "foreign", "revoked", "dead", "again", "early", "older", "newest", "lost"}
NODES_DIFFER = 5 * MICROSECONDS
"""An exchange that is further than this in the future was stamped by a clock that was ahead."""
GONE, NOT_YOURS, SCOPE = "invalid_grant", "invalid_client", "invalid_scope"


@dataclass
class Shop:
    """A client. Lifetimes in seconds."""

    grace: int
    sleeps_after: int
    ends_after: int
    access: int
    words: tuple[str, ...]
    rotates: bool = True
    open: bool = True


@dataclass
class Person:
    credentials_ended: int = 0
    """How often the password was changed or the user disabled: either ends every login until then."""
    welcome: bool = True


@dataclass
class Login:
    shop: str
    person: str
    credentials_ended: int
    words: tuple[str, ...]
    given: list[str]
    """Every string that was ever handed out, the first one first; a restored backup takes none of them back."""
    newest: int
    """The place in `given` of what the server holds to be the newest."""
    exchanged_at: int
    sleeps_at: int
    ends_at: int
    over: bool = False

    def text(self, older: int) -> str:
        """The newest that was handed out, the one before it, ..., the first."""
        return self.given[max(0, len(self.given) - 1 - older)]


@dataclass(frozen=True)
class Ask:
    """Presenting a refresh token: to /token, or to /revoke if `revokes`."""

    text: str
    shop: str
    arrived: int
    stamped: int
    node: int = 0
    revokes: bool = False
    words: str | None = None


@dataclass(frozen=True)
class Answer:
    status: int
    error: str | None = None
    token: str | None = None
    scope: str | None = None
    expires_in: int | None = None
    claims: dict[str, Any] | None = None


@dataclass
class Ledger:
    shops: dict[str, Shop]
    people: dict[str, Person]
    logins: dict[str, Login] = field(default_factory=dict)
    outages: dict[int, list[tuple[int, int]]] = field(default_factory=dict)
    """For each node, from when until when it could not reach its database."""
    seen: set[str] = field(default_factory=set)
    """The kinds of asking that there were."""

    def given(self) -> list[str]:
        return [text for login in self.logins.values() for text in login.given]

    def rows(self) -> dict[str, tuple[int, int, int, int, bool]]:
        return {
            name: (login.newest, login.exchanged_at, login.sleeps_at, login.ends_at, login.over)
            for name, login in self.logins.items()
        }

    def begin(self, shop: str, person: str, arrived: int, answer: Answer, credentials_ended: int | None = None) -> None:
        """A login with a right password; `credentials_ended` as of when it was verified."""
        terms, who = self.shops[shop], self.people[person]
        if not terms.open:
            assert answer.error == NOT_YOURS, answer
            return
        if not who.welcome:
            assert answer.error == GONE, answer
            return
        assert answer.claims and answer.token and answer.token not in self.given(), answer
        seen = who.credentials_ended if credentials_ended is None else credentials_ended
        login = Login(shop, person, seen, terms.words, [answer.token], 0, arrived, 0, 0)
        login.ends_at = arrived + terms.ends_after * MICROSECONDS
        login.sleeps_at = min(arrived + terms.sleeps_after * MICROSECONDS, login.ends_at)
        self.logins[answer.claims["grant_id"]] = login
        assert self._why_not(login, login.words, arrived, answer) is None, answer

    def explain(self, ask: Ask, answer: Answer) -> str | None:
        """Take over what follows from `ask`; say what is wrong with the answer, if anything is."""
        login = self.holder(ask.text)
        kind = self.kind(login, ask)
        self.seen.add(kind)
        if kind == "closed":
            return _refused(answer, NOT_YOURS)
        if login is None or kind in ("unknown", "foreign", "dead"):
            return _refused(answer, GONE) if kind != "unknown" or not ask.revokes else _done(answer)
        if kind in ("older", "revoked"):
            login.over = True
            return _refused(answer, GONE) if kind == "older" else _done(answer)
        return self._welcome(login, kind, ask, answer)

    def holder(self, text: str) -> Login | None:
        return next((login for login in self.logins.values() if text in login.given), None)

    def kind(self, login: Login | None, ask: Ask) -> str:
        """In the order in which it is looked at."""
        if not self.shops[ask.shop].open:
            return "closed"
        if login is None:
            return "unknown"
        if login.shop != ask.shop:
            return "foreign"
        if ask.revokes:
            return "revoked"
        if not self.is_living(login, ask.arrived):
            return "dead"
        behind = login.newest - login.given.index(ask.text)
        if behind == 1 and self._waited(login, ask) < self.shops[ask.shop].grace * MICROSECONDS:
            return "early" if login.exchanged_at > ask.stamped + NODES_DIFFER else "again"
        return "older" if behind > 0 else "newest" if behind == 0 else "lost"

    def is_living(self, login: Login, at: int) -> bool:
        who = self.people[login.person]
        outlived = at >= login.sleeps_at or at >= login.ends_at
        return not (login.over or outlived or who.credentials_ended > login.credentials_ended) and who.welcome

    def _waited(self, login: Login, ask: Ask) -> int:
        """How long after the exchange `ask` came, in the time that its node could have answered."""
        began, came = login.exchanged_at, ask.arrived
        lost = [(max(began, since), min(came, until)) for since, until in self.outages.get(ask.node, [])]
        return max(0, came - began - sum(until - since for since, until in lost if since < until))

    def _welcome(self, login: Login, kind: str, ask: Ask, answer: Answer) -> str | None:
        terms = self.shops[ask.shop]
        left = tuple(word for word in login.words if word in terms.words)
        asked = tuple((ask.words or "").split())
        reasons = {GONE} if login.ends_at - ask.arrived < MICROSECONDS or (login.words and not left) else set()
        reasons |= {SCOPE} if set(asked) - set(left) else set()
        if reasons:
            return _refused(answer, *reasons)
        if kind != "again":
            login.sleeps_at = min(ask.stamped + terms.sleeps_after * MICROSECONDS, login.ends_at)
        if kind in ("lost", "early") or (kind == "newest" and terms.rotates):
            login.newest = login.given.index(ask.text) + 1
            login.exchanged_at = ask.stamped  # "early": the window begins now, or it would stay open until that time
        return self._why_not(login, asked or left, ask.arrived, answer)

    def _why_not(self, login: Login, words: tuple[str, ...], arrived: int, answer: Answer) -> str | None:
        """What is wrong with a successful answer after which `login.newest` is the client's."""
        if answer.status != 200 or answer.token is None or answer.claims is None:
            return f"refused what is good: {answer}"
        if login.newest < len(login.given) and answer.token != login.given[login.newest]:
            return "another string than the one that was given before"
        if login.newest == len(login.given):
            if answer.token in self.given():
                return "an old string as a new one"
            login.given.append(answer.token)
        return self._why_not_claims(login, words, arrived, answer)

    def _why_not_claims(self, login: Login, words: tuple[str, ...], arrived: int, answer: Answer) -> str | None:
        claims = answer.claims or {}
        lives = min(self.shops[login.shop].access, (login.ends_at - arrived) // MICROSECONDS)
        told = (answer.scope, answer.expires_in, claims.get("scope"), claims["exp"] - claims["iat"])
        scope = " ".join(words) or None
        if told != (scope, lives, scope, lives):
            return f"an access token of {told}, not of {words} for {lives} s"
        if claims["exp"] * MICROSECONDS > login.ends_at:
            return "an access token that outlives its login"
        whose = (claims["sub"], claims["client_id"], self.logins.get(claims["grant_id"]) is login)
        return None if whose == (login.person, login.shop, True) else f"somebody else's access token: {whose}"


def _done(answer: Answer) -> str | None:
    return None if answer == Answer(200) else f"revoking answered {answer}"


def _refused(answer: Answer, *errors: str) -> str | None:
    expected = answer.error in errors and answer.status == (401 if answer.error == NOT_YOURS else 400)
    return None if expected and answer.token is None else f"{answer} instead of a refusal with {errors}"
