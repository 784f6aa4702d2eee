"""What the steps share that follow when a person has typed the code of their device."""

import json
from dataclasses import replace
from hashlib import sha256

from ...accounts.browser import BrowserHandler, BrowserRefusal
from ...accounts.done import PASSWORD_RESET
from ...accounts.interaction import NotThisBrowser, path_of, waiting_interaction
from ...accounts.other_ways import other_ways
from ...accounts.request import hashed
from ...domain import base64url
from ...domain.device_authorization import Step, next_step
from ...domain.models import Client, DeviceCode, Interaction
from ...pipeline.errors import Refusal
from ...pipeline.replies import BrowserAnswer, GoTo, Page
from ...store.browser_state import BrowserKey
from ..shown import shown
from . import PATH

OTHER_ACCOUNT = "?account=other"
"""The query by which a person asks for the sign-in page although somebody is signed in."""


class DeviceHandler(BrowserHandler):
    """A step of an interaction, which is bound to the browser in which the code was typed."""

    def key(self) -> BrowserKey:
        return BrowserKey(hashed(self.request.session), self.request.interaction_id)

    def refuse(self, refusal: Refusal) -> BrowserAnswer:
        answer = super().refuse(refusal)
        if isinstance(refusal, NotThisBrowser) and isinstance(answer, Page):
            return replace(answer, values={**answer.values, "again": PATH})
        return answer

    def check_form(self) -> None:
        if self.request.is_same_origin:  # a page of ours, and so the token may be that of the cookie before
            self.resume()
        super().check_form()

    def give_up(self) -> BrowserAnswer:
        """Look again: nothing but other requests for this device can have come first."""
        return GoTo(path_of(self.resume()[0]))

    def resume(self) -> tuple[Interaction, Client]:
        """Raises BrowserRefusal unless the interaction is this browser's, for a device, and not over."""
        interaction, client = waiting_interaction(self.loaded, self.request, self.now)
        if interaction.device_code_hash is None:
            raise BrowserRefusal("expired", "The interaction is not for a device.")
        return interaction, client

    def step(self, interaction: Interaction) -> Step:
        """Return what comes next. Raises BrowserRefusal if the device waits no longer."""
        step = next_step(interaction, self.loaded.device, signed_in=self.session is not None, now=self.now)
        if step is Step.EXPIRED:
            raise BrowserRefusal("expired", "The device waits no longer.")
        if step is Step.COMPLETED:
            raise BrowserRefusal("completed", "The device was answered in another browser.", 409)
        return step

    @property
    def device(self) -> DeviceCode:
        """The device of an interaction that is not over."""
        if self.loaded.device is None:
            raise LookupError("The device's row is gone.")
        return self.loaded.device

    def sign_in_page(
        self, username: str = "", error: str = "", status: int = 200, wait: int = 0, *, keep: bool = False
    ) -> Page:
        """Return the sign-in page; `wait` is in seconds."""
        interaction, client = self.resume()
        path = path_of(interaction)
        return self.form_page(
            "sign_in",
            f"{path}/sign-in",
            status=status,
            retry_after=wait,
            client=shown(client),
            other_account=path + OTHER_ACCOUNT,
            username=username,
            fixed_username="",
            keep=keep,
            error=error,
            wait=wait,
            was_reset=self.was_done(PASSWORD_RESET),
            **other_ways(self.services, interaction.id),
        )

    def shown_digest(self) -> str:
        """Return a digest of whose account the page shows, and for which device. A form acts for nobody else: in
        another tab, another user may have signed in since."""
        told = json.dumps([self.session.id.hex() if self.session else "", self.device.hash.hex()])
        return base64url.encode(sha256(told.encode()).digest())

    def about(self) -> dict[str, str]:
        waiting = self.loaded.waiting if self.loaded else None
        return super().about() | ({"client_id": waiting.interaction.client_id} if waiting else {})
