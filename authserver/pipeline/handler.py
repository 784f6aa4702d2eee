"""What the pipeline asks of a handler. It calls the hooks in the order in which they stand here."""

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from ..domain.models import Client, Policy
from ..keyring import Keyring
from ..passwords import PasswordHasher
from ..store.database import Change, Loader
from .attempt import Attempt
from .errors import Refusal
from .event import Event

A = TypeVar("A")
"""A family of answers: `Reply` for clients."""


@dataclass(frozen=True, slots=True)
class Services:
    """What a handler may use to decide: no database, no clock (the request's time is `Handler.now`)."""

    issuer: str
    policy: Policy
    keyring: Keyring
    passwords: PasswordHasher
    new_id: Callable[[], bytes]
    new_key: Callable[[], bytes]
    new_secret: Callable[[], str]


@dataclass(frozen=True, slots=True)
class UnsignedToken:
    """A JWT to sign; `name` tells the answer which of its tokens it is."""

    name: str
    claims: dict[str, Any]
    alg: str
    typ: str


@dataclass(frozen=True, slots=True)
class Decision(Generic[A]):
    """A success. `change` is committed, and `tokens` are signed in their order, before the answer leaves."""

    answer: A
    change: Change | None = None
    tokens: tuple[UnsignedToken, ...] = ()
    with_tokens: Callable[[A, Mapping[str, str]], A] | None = None
    """Puts the signed tokens, by name, into the answer."""
    events: Iterable[Event] = ()
    """Read once the change is durable: a generator can tell what the change found out."""


class Handler(Generic[A]):
    """Handles one attempt of a request: it names what to load, and decides from what was loaded."""

    loader: Loader[Any, Any] | None = None
    loaded: Any = None
    """What `loader` found for `key`; None if there was nothing."""
    accepted: Client | None = None
    client_exists = False
    """Whether the client id that was sent is a client's; if it is not, it may be a secret, and is never logged."""

    def __init__(self, attempt: Attempt[Any], services: Services) -> None:
        self.attempt, self.services = attempt, services
        self.now: int = attempt.request.arrived_at

    def client_id(self) -> str | None:
        """The client that the request names; None where no client takes part."""
        return None

    def accept_client(self, client: Client | None) -> None:
        """Authenticate the named client, or merely know it; None if there is no such client. Raises Refusal."""

    def check_client(self) -> None:
        """Whether the accepted client may do this at all, before any costly work is done for it. Raises Refusal."""

    def key(self) -> Hashable:
        """What `loader` loads for this request; None for nothing."""
        return None

    async def authenticate(self) -> None:
        """Authenticate the user, where the request presents a password. Raises Unavailable."""

    def decide(self) -> Decision[A]:
        """Pure: from the request and what was loaded. Raises Refusal, Stale and KeyMissing."""
        raise NotImplementedError

    def refuse(self, refusal: Refusal) -> A:
        """The answer to a refusal, where this handler alone knows it; others leave it to the endpoint."""
        raise refusal

    def about(self) -> Mapping[str, str]:
        """The subject and the authorization, as far as they are proven: fields of every event of this request."""
        return {}

    @property
    def client(self) -> Client:
        """The accepted client."""
        if self.accepted is None:
            raise LookupError("No client was accepted.")
        return self.accepted
