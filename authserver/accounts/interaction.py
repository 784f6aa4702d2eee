"""Interactions, which are bound to a browser: an application or a device sent the person here, to sign in or to agree.
This package knows only the path at which an interaction continues."""

import hmac
import json
from dataclasses import replace
from hashlib import sha256
from typing import Any

from ..domain import base64url
from ..domain.models import SECOND, Client, Interaction
from ..domain.times import retry_after
from ..pipeline.errors import Refusal
from ..pipeline.replies import BrowserAnswer, GoTo, Page
from ..store.browser_state import BrowserKey, BrowserState
from ..store.interactions import Waiting
from .browser import BrowserHandler, BrowserRefusal
from .request import BrowserRequest, hashed

TTL = 1800
"""Seconds in which a person must have signed in."""
OTHER_ACCOUNT = "?account=other"
"""The query by which a person asks for the sign-in page although somebody is signed in."""
_DIGITS = 32


class NotThisBrowser(BrowserRefusal):
    """The interaction is bound to another browser, or to a cookie that this browser no longer has: if two tabs of a new
    browser begin at the same moment, each gets a cookie, and the later one replaces the other."""


class InteractionStep(BrowserHandler):
    """A step of an interaction, which is bound to the browser that began it."""

    def key(self) -> BrowserKey:
        return BrowserKey(hashed(self.request.session), self.request.interaction_id)

    def waiting(self) -> tuple[Interaction, Client]:
        """Return the interaction and its client. Raises BrowserRefusal unless it is this browser's, of this kind, and
        not over."""
        raise NotImplementedError

    def begin_again_path(self) -> str:
        """Return the path at which a browser that the interaction is not bound to can begin again."""
        raise NotImplementedError

    def refuse(self, refusal: Refusal) -> BrowserAnswer:
        answer = super().refuse(refusal)
        if isinstance(refusal, NotThisBrowser) and isinstance(answer, Page):
            return replace(answer, values={**answer.values, "again": self.begin_again_path()})
        return answer

    def check_form(self) -> None:
        if self.request.is_same_origin:  # a page of ours, and so the token may be that of the cookie before
            self.waiting()
        super().check_form()

    def give_up(self) -> BrowserAnswer:
        """Show the next page: only this browser's other requests, such as reloads, or another answer to the same device
        can have come first."""
        return GoTo(path_of(self.waiting()[0]))

    def about(self) -> dict[str, str]:
        waiting = self.loaded.waiting if self.loaded else None
        return super().about() | ({"client_id": waiting.interaction.client_id} if waiting else {})

    def digest_of(self, asked: Any) -> str:
        """Return a digest of whose account a page shows, and of what is asked for there. A form acts for nobody else
        and for nothing more: in another tab, another user may have signed in since."""
        text = json.dumps([self.session.id.hex() if self.session else "", asked])
        return base64url.encode(sha256(text.encode()).digest())


def path_of(interaction: Interaction) -> str:
    """Return the path at which the interaction continues."""
    place = "interaction" if interaction.device_code_hash is None else "device"
    return f"/{place}/{interaction.id.hex()}"


def interaction_id_of(text: str) -> bytes | None:
    """Return the id in a form field; None if the text is not one."""
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


def current_interaction(state: BrowserState | None, now: int) -> tuple[Interaction, Client]:
    """Return the interaction and its client. Raises BrowserRefusal if it does not exist, or is over."""
    waiting, client = (state.waiting, state.client) if state else (None, None)
    if waiting is None or client is None or client.disabled or now >= waiting.interaction.expires_at:
        raise BrowserRefusal("expired", "There is no such interaction, or it has expired.")
    return waiting.interaction, client


def waiting_interaction(state: BrowserState | None, request: BrowserRequest, now: int) -> tuple[Interaction, Client]:
    """Like `current_interaction`; raises NotThisBrowser, too."""
    interaction, client = current_interaction(state, now)
    if request.browser is None:
        raise NotThisBrowser("cookies", "The browser sent no cookie.")
    if not hmac.compare_digest(interaction.browser_hash, hashed(request.browser) or b""):
        raise NotThisBrowser("other_browser", "The interaction is another browser's.")
    return interaction, client


def new_interaction(
    handler: BrowserHandler, client_id: str, request: str, *, device_code_hash: bytes | None = None
) -> Interaction:
    """Return an interaction that begins in the handler's browser. `request` is the authorization request as it is
    stored. Raises BrowserRefusal if the network has begun too many: each is a row, and needs neither user nor
    client."""
    judged = handler.services.interactions.count(handler.request.network, handler.now)
    if judged.full:
        wait, detail = retry_after(judged.wait), "network must wait: too many sign-ins begun"
        raise BrowserRefusal("too_many", detail, 429, retry_after=wait)
    return Interaction(
        id=handler.services.new_id(),
        browser_hash=hashed(handler.browser) or b"",
        client_id=client_id,
        request=request,
        created_at=handler.now,
        expires_at=handler.now + TTL * SECOND,
        device_code_hash=device_code_hash,
    )
