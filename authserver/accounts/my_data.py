"""GET /account/data/download: what the server knows about a person, as JSON."""

from typing import Any

from ..domain.models import Authorization, Session, User
from ..domain.times import utc
from ..pipeline.event import Event
from ..pipeline.handler import Decision
from ..pipeline.replies import BrowserAnswer, Download
from ..store.account_data import MOST, Application, KnownNetwork, Part
from ..store.events import StoredEvent, described
from .account_pages import DOWNLOAD, AccountPage


class DownloadData(AccountPage):
    path = DOWNLOAD
    parts = tuple(Part)
    needs_recent_sign_in = True

    def answer(self, session: Session, user: User) -> Decision[BrowserAnswer]:
        data = {
            "user": {"id": user.id, "username": user.username, "created_at": utc(user.created_at)},
            "claims": dict(self.account.claims),
            "sessions": [_session(each) for each in self.account.sessions],
            "known_networks": [_network(each) for each in self.account.networks],
            "applications": [_application(each) for each in self.account.applications],
            "events": [_event(event) for event in self.account.events],
            "events_are_cut": len(self.account.events) == MOST,
        }
        return Decision(Download("account.json", data), events=[Event("user_data_exported")])


def _event(event: StoredEvent) -> dict[str, Any]:
    """Return the event without the name of the operator's account on the machine, which belongs to another person."""
    description = described(event)
    return description | ({"actor": "administrator"} if event.record.actor.startswith("os:") else {})


def _network(network: KnownNetwork) -> dict[str, Any]:
    return {"network": network.network, "seen_at": utc(network.seen_at)}


def _session(session: Session) -> dict[str, Any]:
    return {
        "id": session.id.hex(),
        "device": session.device,
        "network": session.network,
        "created_at": utc(session.created_at),
        "authenticated_at": utc(session.authenticated_at),
        "seen_at": utc(session.seen_at),
        "ends_at": utc(session.ends_at),
    }


def _application(application: Application) -> dict[str, Any]:
    consent = application.consent
    return {
        "client_id": application.client.id,
        "name": application.client.name,
        "consent": consent
        and {
            "scope": consent.scope,
            "claims": consent.claims,
            "resources": consent.resources,
            "granted_at": utc(consent.granted_at),
        },
        "authorizations": [_authorization(each) for each in application.authorizations],
    }


def _authorization(authorization: Authorization) -> dict[str, Any]:
    return {
        "id": authorization.id.hex(),
        "scope": authorization.scope,
        "resources": authorization.resources,
        "created_at": utc(authorization.created_at),
        "used_at": utc(max(authorization.created_at, authorization.rotated_at)),
        "used_from": authorization.rotated_from,
    }
