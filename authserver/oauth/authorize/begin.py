"""Begins an interaction: from now on, an authorization request waits for its user in one browser."""

from ...accounts.browser import BrowserHandler
from ...accounts.interaction import new_interaction, path_of
from ...pipeline.handler import Decision
from ...pipeline.replies import BrowserAnswer, GoTo
from ...store import interactions


def begin(handler: BrowserHandler, client_id: str, request: str) -> Decision[BrowserAnswer]:
    """Return the decision that begins an interaction in the handler's browser, and goes to it. `request` is the
    authorization request as it is stored. Raises BrowserRefusal if the network has begun too many."""
    interaction = new_interaction(handler, client_id, request)
    return Decision(GoTo(path_of(interaction), handler.browser_cookie), interactions.begin(interaction))
