"""The base of the pages that a person can reach while signing in to an application."""

from functools import cached_property

from ..domain.models import Interaction
from .browser import BrowserHandler
from .interaction import own_interaction


class InInteraction(BrowserHandler):
    @cached_property
    def interaction(self) -> Interaction | None:
        """The interaction in this browser from which the person came, if it is not over."""
        return own_interaction(self.loaded.waiting, self.request, self.now)

    @property
    def ui_locales(self) -> str:
        return self.interaction.ui_locales if self.loaded and self.interaction else ""
