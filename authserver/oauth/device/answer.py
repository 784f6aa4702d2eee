"""GET and POST /device/{id}: the user allows the device, or denies it, and returns to it.

No device gets access without this page, whatever the user has agreed to before, and even if the client is the
operator's own: somebody else may have begun this on a device of their own and sent the user here (RFC 8628 s5.4).
"""

from ...accounts.interaction import OTHER_ACCOUNT, path_of
from ...domain import user_code
from ...domain.device_authorization import Step
from ...domain.models import Client, Consent, Interaction, Session
from ...domain.times import minute
from ...pipeline.event import Event
from ...pipeline.handler import Decision
from ...pipeline.replies import BrowserAnswer, GoTo, Page
from ...store import device_codes
from ..shown import asked_for, shown
from .interaction import DeviceHandler


class ContinueDevice(DeviceHandler):
    def decide(self) -> Decision[BrowserAnswer]:
        interaction, client = self.waiting()
        step = self.step(interaction)
        if step in (Step.ALLOWED, Step.DENIED):
            # RFC 8628 s3.3: once the user interaction is complete, the server instructs the user to return to their
            # device.
            return Decision(Page("device_done", {"client": shown(client), "allowed": step is Step.ALLOWED}))
        if step is Step.SIGN_IN or self.wants_other_account:
            return Decision(self.sign_in_page())
        return Decision(self._question(interaction, client))

    def _question(self, interaction: Interaction, client: Client) -> Page:
        device, before, path = self.device, self.loaded.consent, path_of(interaction)
        # RFC 8628 s5.4: the authorization server SHOULD display information about the device.
        return self.form_page(
            "device_consent",
            path,
            shown=self.shown_digest(),
            client=shown(client),
            username=self.username(),
            other_account=path + OTHER_ACCOUNT,
            user_code=user_code.shown(self.services.keyring.user_code(device)),
            network=device.network,
            began=minute(device.created_at),
            scopes=asked_for(device.scope, before.scope if before else ()),
            resources=asked_for(device.resources, before.resources if before else ()),
        )


class AnswerDevice(DeviceHandler):
    def decide(self) -> Decision[BrowserAnswer]:
        self.check_form()
        interaction, _ = self.waiting()
        step, answer, onward = self.step(interaction), self.request.value("answer"), GoTo(path_of(interaction))
        is_current = step is Step.ASK and self.request.shown == self.shown_digest()
        if self.session is None or not is_current or answer not in ("allow", "deny"):
            return Decision(onward)
        if answer == "deny":
            denied = device_codes.deny(self.device, interaction, self.session)
            event = Event("device_denied", fields={"device_network": self.device.network})
            return Decision(onward, denied, events=[event])
        allowed = device_codes.allow(self.device, interaction, self.session, self._consent(self.session))
        event = Event(
            "device_allowed",
            fields={
                "scope": " ".join(self.device.scope),
                "resources": " ".join(self.device.resources),
                "device_network": self.device.network,
            },
        )
        return Decision(onward, allowed, events=[event])

    def _consent(self, session: Session) -> Consent:
        device = self.device
        consent = Consent(session.user_id, device.client_id, device.scope, (), device.resources, self.now)
        return consent.with_earlier(self.loaded.consent)
