"""Loads what the account pages show about one user."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, NamedTuple

from sqlalchemy import Connection, select

from ..domain.activity import TOLD
from ..domain.models import Authorization, Client, Consent, Session
from . import authorizations, clients, consents, events, sessions
from .events import StoredEvent
from .schema import known_networks, user_claims
from .users import claims_of

MOST = 1000
"""Rows of one kind. The limits of sessions and authorizations are lower."""


_MOST_TOLD = 50


class Part(Enum):
    SESSIONS = "sessions"
    APPLICATIONS = "applications"
    CLAIMS = "claims"
    EVENTS = "events"
    ACTIVITY = "activity"
    NETWORKS = "networks"


@dataclass(frozen=True, slots=True)
class AccountKey:
    parts: tuple[Part, ...]
    at: int
    """Loads what is active at this time (microseconds)."""


@dataclass(frozen=True, slots=True)
class Application:
    """A client that a user has given access to."""

    client: Client
    consent: Consent | None
    """What the user agreed to; None for an application that needs no consent."""
    authorizations: Sequence[Authorization]
    """The active ones."""


@dataclass(frozen=True, slots=True)
class Activity:
    """The events that the page of security events shows."""

    events: Sequence[StoredEvent] = ()
    """The newest first."""
    clients: Mapping[str, str] = field(default_factory=dict)
    """The names of the clients that the events name, by id, if they still exist."""


class KnownNetwork(NamedTuple):
    """A network from which the user has signed in, so that wrong passwords from elsewhere do not delay them there."""

    network: str
    seen_at: int
    """The last sign-in from there (microseconds)."""


@dataclass(frozen=True, slots=True)
class AccountData:
    """The parts that were asked for; the others are empty."""

    sessions: Sequence[Session] = ()
    """The active ones, the newest first."""
    applications: Sequence[Application] = ()
    """By their names."""
    claims: Mapping[str, Any] = field(default_factory=dict)
    events: Sequence[StoredEvent] = ()
    """The newest first."""
    activity: Activity = Activity()
    networks: Sequence[KnownNetwork] = ()
    """The one used last first."""


def load(connection: Connection, key: AccountKey, user_id: str) -> AccountData:
    loaded: dict[str, Any] = {part.value: _LOADERS[part](connection, key, user_id) for part in key.parts}
    return AccountData(**loaded)


def _sessions(connection: Connection, key: AccountKey, user_id: str) -> list[Session]:
    newest = sessions.newest(connection, user_id=user_id, active_at=key.at, limit=MOST)
    return [signed_in.session for signed_in in newest]


def _applications(connection: Connection, key: AccountKey, user_id: str) -> list[Application]:
    agreed = {consent.client_id: consent for consent in consents.of_user(connection, user_id)}
    records = authorizations.newest(connection, subject=user_id, client_id=None, active_at=key.at, limit=MOST)
    active: dict[str, list[Authorization]] = {}
    for record in records:
        active.setdefault(record.authorization.client_id, []).append(record.authorization)
    clients_by_id = clients.load_many(connection, list(agreed.keys() | active.keys()))
    applications = [Application(client, agreed.get(id), active.get(id, ())) for id, client in clients_by_id.items()]
    return sorted(applications, key=lambda application: (application.client.name.casefold(), application.client.id))


def _claims(connection: Connection, _key: AccountKey, user_id: str) -> Mapping[str, Any]:
    column = select(user_claims.c.claims).where(user_claims.c.user_id == user_id)
    return claims_of(connection.execute(column).scalar())


def _events(connection: Connection, _key: AccountKey, user_id: str) -> list[StoredEvent]:
    return events.newest(connection, events.Filter(subjects=[user_id]), MOST)


def _activity(connection: Connection, _key: AccountKey, user_id: str) -> Activity:
    of_user = events.Filter(subjects=[user_id], events=sorted(TOLD))
    newest = events.newest(connection, of_user, _MOST_TOLD)
    named = {event.record.client_id for event in newest} - {""}
    return Activity(newest, {id: client.name for id, client in clients.load_many(connection, sorted(named)).items()})


def _networks(connection: Connection, _key: AccountKey, user_id: str) -> list[KnownNetwork]:
    columns = known_networks.c.network, known_networks.c.seen_at
    newest_first = known_networks.c.seen_at.desc(), known_networks.c.network
    networks = select(*columns).where(known_networks.c.user_id == user_id).order_by(*newest_first).limit(MOST)
    return [KnownNetwork(*row) for row in connection.execute(networks)]


_LOADERS: Mapping[Part, Callable[[Connection, AccountKey, str], Any]] = {
    Part.SESSIONS: _sessions,
    Part.APPLICATIONS: _applications,
    Part.CLAIMS: _claims,
    Part.EVENTS: _events,
    Part.ACTIVITY: _activity,
    Part.NETWORKS: _networks,
}
