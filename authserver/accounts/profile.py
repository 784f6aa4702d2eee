"""GET and POST /account/profile: the claims about themselves that people may edit."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from ..domain import profile
from ..domain.claim_rules import ClaimsRefused
from ..domain.models import Session, User
from ..pipeline.errors import Refusal
from ..pipeline.event import Event
from ..pipeline.handler import Decision
from ..pipeline.replies import BrowserAnswer
from ..store.account_changes import edit_claims
from ..store.account_data import Part
from .account_pages import AccountForm, AccountPage

PATH = "/account/profile"
NO_FAULTS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class FieldShown:
    """A claim on the page, which its user may edit."""

    name: str
    value: str
    autocomplete: str
    fault: str
    """What is wrong with it (domain/profile.py); "" if nothing is."""


class _ProfilePage(AccountPage):
    path = PATH
    parts = (Part.CLAIMS,)

    def profile_page(
        self, values: Mapping[str, str], error: str = "", faults: Mapping[str, str] = NO_FAULTS
    ) -> Decision[BrowserAnswer]:
        """Return the decision to show the page; `faults` are those of fields, by their names."""
        fields = [
            FieldShown(name, values.get(name, ""), profile.AUTOCOMPLETE.get(name, ""), faults.get(name, ""))
            for name in self.services.accounts.profile_claims
        ]
        status = 422 if error else 200
        return Decision(
            self.account_page("profile", status=status, fields=fields, error=error, done=self.done("profile_saved"))
        )


class ShowProfile(_ProfilePage):
    def answer(self, session: Session, user: User) -> Decision[BrowserAnswer]:
        return self.profile_page(profile.texts(self.account.claims))


class EditProfile(AccountForm, _ProfilePage):
    def answer(self, session: Session, user: User) -> Decision[BrowserAnswer]:
        typed, before = self._typed(), self.account.claims
        texts = profile.texts(before) | typed
        if faults := profile.faults(typed, self.now):
            return self.profile_page(texts, "wrong", faults)
        try:
            changes = profile.changes(before, typed, self.now)
        except ClaimsRefused:
            return self.profile_page(texts, "too_long")
        done = self.go_to_done(PATH, "profile_saved", session)
        if not changes:
            return Decision(done)
        changed = Event("user_claims_changed", fields={"claims": ", ".join(changes)})
        return Decision(done, edit_claims(user.id, changes), events=[changed])

    def _typed(self) -> dict[str, str]:
        """Return the fields that were sent. The page may be older than the setting that names the fields, and a claim
        that it did not show must not be deleted. Raises Refusal."""
        parameters, names = self.request.parameters, self.services.accounts.profile_claims
        if not (parameters.repeated | parameters.malformed).isdisjoint(names):
            raise Refusal("invalid_request", "A field of the profile is repeated, or is not UTF-8.")
        return {name: profile.as_typed(self.request.value(name)) for name in names if name in parameters.sent}
