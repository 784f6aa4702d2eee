"""What a person came for, if an application sent them: an interaction, which is bound to their browser. Accounts know
only where it goes on."""

import hmac

from ..domain.models import Interaction
from ..store.interactions import Waiting
from .request import BrowserRequest, hashed

_DIGITS = 32


def path_of(id: bytes) -> str:
    """Return the path at which the interaction goes on."""
    return f"/interaction/{id.hex()}"


def interaction_id_of(text: str) -> bytes | None:
    """Return the id in a form's field; None if it is none."""
    try:
        return bytes.fromhex(text) if len(text) == _DIGITS else None
    except ValueError:
        return None


def own_interaction(waiting: Waiting | None, request: BrowserRequest, now: int) -> Interaction | None:
    """Return the interaction if it is this browser's and not over; otherwise None. `now` is in microseconds."""
    if waiting is None or request.browser is None or now >= waiting.interaction.expires_at:
        return None
    is_own = hmac.compare_digest(waiting.interaction.browser_hash, hashed(request.browser) or b"")
    return waiting.interaction if is_own else None
