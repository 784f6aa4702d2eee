"""Begins an interaction: from now on, an authorization request waits for its user in one browser."""

from ...accounts.browser import BrowserHandler, BrowserRefusal
from ...accounts.interaction import path_of
from ...accounts.request import hashed
from ...domain.models import SECOND, Interaction
from ...domain.times import retry_after
from ...pipeline.handler import Decision
from ...pipeline.replies import BrowserAnswer, GoTo
from ...store import interactions

INTERACTION_TTL = 1800
"""Seconds in which a person must have signed in."""


def begin(handler: BrowserHandler, client_id: str, request: str) -> Decision[BrowserAnswer]:
    """Return the decision that begins an interaction in the handler's browser, and goes to it. `request` is the
    authorization request as it is stored. Raises BrowserRefusal if the network has begun too many."""
    _count(handler)
    interaction = Interaction(
        id=handler.services.new_id(),
        browser_hash=hashed(handler.browser) or b"",
        client_id=client_id,
        request=request,
        created_at=handler.now,
        expires_at=handler.now + INTERACTION_TTL * SECOND,
    )
    return Decision(GoTo(path_of(interaction.id), handler.browser_cookie), interactions.begin(interaction))


def _count(handler: BrowserHandler) -> None:
    """Raise BrowserRefusal if the network has begun too many: each is a row, and needs neither user nor client."""
    judged = handler.services.interactions.count(handler.request.network, handler.now)
    if judged.full:
        wait, detail = retry_after(judged.wait), "network must wait: too many sign-ins begun"
        raise BrowserRefusal("too_many", detail, 429, retry_after=wait)
