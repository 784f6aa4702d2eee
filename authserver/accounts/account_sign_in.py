"""GET and POST /account/sign-in: signing in without an application, and signing in again before anything sensitive."""

from ..pipeline.handler import Decision
from ..pipeline.replies import BrowserAnswer, Page
from .account_pages import SIGN_IN, next_path, sign_in_path
from .browser import BrowserHandler
from .other_ways import other_ways
from .sign_in_form import SignInForm


class _SignInPage(BrowserHandler):
    def sign_in_page(
        self, username: str = "", error: str = "", status: int = 200, wait: int = 0, *, keep: bool = False
    ) -> Page:
        """Return the page; `wait` is in seconds. Users who must sign in again type only the password."""
        next = next_path(self.request.value("next"))
        path = sign_in_path(next)
        current = self.signed_in[1].username if self.signed_in and not self.wants_other_account else ""
        fixed = current if username in ("", current) else ""
        return self.form_page(
            "sign_in",
            SIGN_IN,
            status=status,
            retry_after=wait,
            client=None,
            next=next,
            other_account=f"{path}{'&' if '?' in path else '?'}account=other",
            username=username or fixed,
            fixed_username=fixed,
            keep=keep,
            error=error,
            wait=wait,
            **other_ways(self.services),
        )


class ShowSignIn(_SignInPage):
    def decide(self) -> Decision[BrowserAnswer]:
        return Decision(self.sign_in_page(keep=self.session is not None and self.session.kept))


class AccountSignIn(SignInForm, _SignInPage):
    def goal(self) -> str:
        return next_path(self.request.value("next"))

    def page_again(self, error: str, status: int, wait: int) -> Page:
        return self.sign_in_page(self.request.value("username"), error, status, wait, keep=self.keep)
