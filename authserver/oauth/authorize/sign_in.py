"""POST /interaction/{id}/sign-in: a username and a password."""

from ...accounts.interaction import path_of
from ...accounts.sign_in_form import SignInForm
from ...pipeline.replies import Page
from .interaction import InteractionHandler


class SignIn(SignInForm, InteractionHandler):
    def check_goal(self) -> None:
        self.resume()

    def goal(self) -> str:
        interaction, _, _ = self.resume()
        return path_of(interaction)

    def page_again(self, error: str, status: int, wait: int) -> Page:
        return self.sign_in_page(self.request.value("username"), error, status, wait, keep=self.keep)
