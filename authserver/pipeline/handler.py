"""The interface of handlers. The pipeline calls the hooks in the order in which they are defined here."""

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import field
from enum import Enum
from functools import partial
from typing import Any, Generic, TypeVar

from ..claims_hook import ClaimsHook, HookCall
from ..domain.account_policy import AccountPolicy
from ..domain.attempts import AttemptLimits
from ..domain.errors import Unavailable
from ..domain.key_schedule import KeyPolicy
from ..domain.models import Client, Policy
from ..domain.network_limit import NetworkLimit
from ..domain.record import record
from ..keyring import Keyring
from ..passwords import PasswordHasher
from ..store.database import Change, Loader
from .attempt import Attempt
from .errors import Refusal
from .event import Event

A = TypeVar("A")
"""The type of the response: `Reply` for clients, `BrowserAnswer` for browsers."""


@record(frozen=True, slots=True)
class Services:
    """What a handler may use to decide. There is no database and no clock: the request's time is `Handler.now`."""

    issuer: str
    policy: Policy
    attempt_limits: AttemptLimits
    wrong_secrets: NetworkLimit
    keyring: Keyring
    passwords: PasswordHasher
    new_id: Callable[[], bytes]
    new_key: Callable[[], bytes]
    new_secret: Callable[[], str]
    claims_hook: ClaimsHook | None = None
    interactions: NetworkLimit = field(default_factory=partial(NetworkLimit, None))
    """How many interactions each network may begin."""
    key_policy: KeyPolicy = KeyPolicy()
    password_min_length: int = 8
    """Characters in a new password."""
    mail: bool = False
    """Whether the server can send mails."""
    sign_up: bool = False
    """Whether anybody may create an account."""
    accounts: AccountPolicy = AccountPolicy()


@record(frozen=True, slots=True)
class UnsignedToken:
    """A JWT to sign. `name` says which of the response's tokens it is."""

    name: str
    claims: dict[str, Any]
    alg: str
    typ: str
    hook: HookCall | None = None
    """What the claims hook is called with before the token is signed, if there is a hook; None for a token without
    claims of a user."""
    bound: Callable[[Mapping[str, str]], Mapping[str, Any]] | None = None
    """Returns further claims, made from the tokens that were signed before this one, by name."""
    exact: bool = False
    """Whether only a key of `alg` may sign it, and not the default algorithm's until `alg` has one."""


@record(frozen=True, slots=True)
class Decision(Generic[A]):
    """A successful result. Before the response is sent, `tokens` are signed in order and `change` is committed."""

    answer: A
    change: Change | None = None
    tokens: tuple[UnsignedToken, ...] = ()
    with_tokens: Callable[[A, Mapping[str, str]], A] | None = None
    """Adds the signed tokens, by name, to the response."""
    events: Iterable[Event] = ()
    """Read during the commit, for the audit trail, and after it: LateEvents can report what the commit did."""


class Handler(Generic[A]):
    """Handles one attempt of a request: it says what to load, and decides from the loaded data."""

    loaded: Any = None
    """The result of `loader` for `key`; None if there was none."""
    accepted: Client | None = None
    from_client = True
    """Whether the client sends the request. Otherwise a browser does, and its failures are not the client's."""
    client_exists = False
    """Whether the client id in the request exists. If it does not, it may be a secret, and is never logged."""
    verdict: Enum | None = None
    """How the handler judged the credential that the request presents, if observers count that."""

    def __init__(self, attempt: Attempt[Any], services: Services) -> None:
        self.attempt, self.services, self.is_counted = attempt, services, attempt.is_counted
        self.now = attempt.elapsed.timeline.today(attempt.request.arrived_at)
        """When the whole request had arrived, in microseconds, by the clock's present setting."""

    def client_id(self) -> str | None:
        """Return the id of the client that the request names; None if the request involves no client."""
        return None

    def is_current(self, client: Client | None) -> bool:
        """Whether what is known of the named client is certainly not out of date, so that a refusal is final."""
        return client is None or self.attempt.number > 0

    def accept_client(self, client: Client | None) -> None:
        """Authenticate or just identify the named client; `client` is None if it does not exist. Raises Refusal."""

    def check_client(self) -> None:
        """Raise Refusal if the accepted client may not do this at all, before any expensive work is done for it."""

    @property
    def loader(self) -> Loader[Any, Any] | None:
        """What loads this request's data, once the client is accepted; None for no data."""
        return None

    def key(self) -> Hashable:
        """Return the key of the data that `loader` loads for this request; None for no data."""
        return None

    def count(self) -> Change | None:
        """Return the change that counts what the request tries, before anything is hashed; None if nothing is limited,
        or `is_counted`. Raises Refusal if it is too much already."""
        return None

    def check_counted(self) -> None:
        """Raise Refusal if the change of `count`, which is committed, found that it was too much."""

    async def authenticate(self) -> None:
        """Authenticate the user, if the request contains a password. Raises Unavailable."""

    def decide(self) -> Decision[A]:
        """Decide from the request and the loaded data alone, without side effects. Raises Refusal, Stale and
        KeyMissing."""
        raise NotImplementedError

    def refuse(self, refusal: Refusal) -> A:
        """Return the response to a refusal. By default, raise the refusal and leave the response to the endpoint."""
        raise refusal

    def give_up(self) -> A:
        """Return the response to a request if a concurrent commit came first at each attempt, of which this is the
        last. Raises Unavailable."""
        raise Unavailable(f"Gave up after {self.attempt.number + 1} attempts: conflicting updates.")

    def about(self) -> Mapping[str, str]:
        """Return the fields of every event of this request: the subject and the authorization, once they are proven."""
        return {}

    def username(self) -> str:
        """Return the name of the user in `about`, for the audit trail; the log has no names."""
        return ""

    @property
    def client(self) -> Client:
        """The accepted client."""
        if self.accepted is None:
            raise LookupError("No client was accepted.")
        return self.accepted
