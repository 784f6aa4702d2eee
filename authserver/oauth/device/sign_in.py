"""POST /device/{id}/sign-in: a username and a password."""

from ...accounts.interaction import path_of
from ...accounts.sign_in_form import SignInForm
from ...pipeline.replies import Page
from .interaction import DeviceHandler


class DeviceSignIn(SignInForm, DeviceHandler):
    def check_goal(self) -> None:
        self.step(self.waiting()[0])

    def goal(self) -> str:
        return path_of(self.waiting()[0])

    def page_again(self, error: str, status: int, wait: int) -> Page:
        return self.sign_in_page(self.request.value("username"), error, status, wait, keep=self.keep)
