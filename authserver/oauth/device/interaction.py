"""The base of the steps that follow once a person has typed the code of their device."""

from ...accounts.browser import BrowserRefusal
from ...accounts.done import PASSWORD_RESET
from ...accounts.interaction import OTHER_ACCOUNT, InteractionStep, path_of, waiting_interaction
from ...accounts.other_ways import other_ways
from ...domain.device_authorization import Step, next_step
from ...domain.models import Client, DeviceCode, Interaction
from ...pipeline.replies import Page
from ..shown import shown
from . import PATH


class DeviceHandler(InteractionStep):
    """A step of an interaction that began when a person typed the code of their device."""

    def waiting(self) -> tuple[Interaction, Client]:
        interaction, client = waiting_interaction(self.loaded, self.request, self.now)
        if interaction.device_code_hash is None:
            raise BrowserRefusal("expired", "The interaction is not for a device.")
        return interaction, client

    def begin_again_path(self) -> str:
        return PATH

    def step(self, interaction: Interaction) -> Step:
        """Return what comes next. Raises BrowserRefusal if the device is no longer waiting."""
        step = next_step(interaction, self.loaded.device, signed_in=self.session is not None, now=self.now)
        if step is Step.EXPIRED:
            raise BrowserRefusal("expired", "The device is no longer waiting.")
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
        interaction, client = self.waiting()
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
        return self.digest_of(self.device.hash.hex())
