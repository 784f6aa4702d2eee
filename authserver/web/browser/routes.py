"""The routes of pages and forms. Paths are below the issuer's path."""

from starlette.routing import Mount, Route

from ...accounts import email, reset, sign_up
from ...accounts.account_home import AccountHome
from ...accounts.account_sign_in import AccountSignIn, ShowSignIn
from ...accounts.activity import ShowActivity
from ...accounts.applications import AskToEndAccess, EndAccess, ShowApplications
from ...accounts.change_password import ChangePassword, ShowPassword
from ...accounts.confirm_email import ConfirmEmail, ShowConfirmEmail
from ...accounts.deletion import DeleteAccount, Deleted, ShowDeletion
from ...accounts.email import ChangeEmail, ShowEmail
from ...accounts.my_data import DownloadData
from ...accounts.profile import EditProfile, ShowProfile
from ...accounts.request import BrowserRequest
from ...accounts.reset import RequestReset, ShowResetRequest
from ...accounts.reset_password import ResetPassword, ShowReset
from ...accounts.sessions import AskToEndSession, EndSession, ShowSessions
from ...accounts.sign_up import ShowSignUp
from ...accounts.sign_up_password import ShowSignUpPassword, SignUpWithLink
from ...domain import links
from ...domain.models import LinkKind
from ...oauth import device
from ...oauth.authorize.account import ChooseAccount
from ...oauth.authorize.authorize import Authorize
from ...oauth.authorize.consent import AnswerConsent
from ...oauth.authorize.interaction import ContinueInteraction
from ...oauth.authorize.sign_in import SignIn
from ...oauth.device.answer import AnswerDevice, ContinueDevice
from ...oauth.device.sign_in import DeviceSignIn
from ...oauth.device.user_code import EnterUserCode, ShowDevice
from ...oauth.logout.logout import ConfirmLogout, Logout
from ...pipeline.pipeline import NewHandler
from ...pipeline.replies import BrowserAnswer
from ..context import AppContext
from .cookies import BrowserCookies
from .endpoint import BackToInteraction, BrowserEndpoint, ByMethod
from .pages import Pages

NewBrowserHandler = NewHandler[BrowserRequest, BrowserAnswer]


class BrowserRoutes:
    """Makes the routes of handlers for browsers."""

    def __init__(self, context: AppContext, base: str, pages: Pages, cookies: BrowserCookies) -> None:
        self._context, self._base, self._pages, self._cookies = context, base, pages, cookies

    def get(self, path: str, new_handler: NewBrowserHandler) -> Route:
        return Route(self._base + path, self._endpoint(new_handler), methods=["GET"])

    def post(self, path: str, new_handler: NewBrowserHandler) -> Route:
        return Route(self._base + path, self._endpoint(new_handler), methods=["POST"])

    def get_or_form_of_others(self, path: str, new_handler: NewBrowserHandler) -> Route:
        """A GET, or a form of another site, which becomes that GET."""
        return Route(self._base + path, self._endpoint(new_handler, query_path=path), methods=["GET", "POST"])

    def form_of_interaction(self, path: str, new_handler: NewBrowserHandler) -> Route:
        """A form; a GET, as after a reload, goes back to its interaction."""
        endpoint = ByMethod(BackToInteraction(self._pages, path.partition("/{")[0]), self._endpoint(new_handler))
        return Route(self._base + path, endpoint, methods=["GET", "POST"])

    def page_with_form(self, path: str, page: NewBrowserHandler, form: NewBrowserHandler) -> Route:
        """A page at the address that its form goes to."""
        endpoint = ByMethod(self._endpoint(page), self._endpoint(form))
        return Route(self._base + path, endpoint, methods=["GET", "POST"])

    def _endpoint(self, new_handler: NewBrowserHandler, *, query_path: str = "") -> BrowserEndpoint:
        context = self._context
        parts = (context.pipeline, context.now, context.malformed, self._pages, self._cookies)
        return BrowserEndpoint(*parts, new_handler, query_path=query_path)


def routes(context: AppContext, base: str, pages: Pages, cookies: BrowserCookies) -> list[Route | Mount]:
    new = BrowserRoutes(context, base, pages, cookies)
    return [*_authorize(new), *_device(new), *_logout(new), *_account(new), *_recovery(new)]


def _authorize(new: BrowserRoutes) -> list[Route]:
    interaction = "/interaction/{interaction}"
    return [
        new.get_or_form_of_others("/authorize", Authorize),
        new.get(interaction, ContinueInteraction),
        new.form_of_interaction(interaction + "/sign-in", SignIn),
        new.form_of_interaction(interaction + "/account", ChooseAccount),
        new.form_of_interaction(interaction + "/consent", AnswerConsent),
    ]


def _device(new: BrowserRoutes) -> list[Route]:
    interaction = device.PATH + "/{interaction}"
    return [
        new.page_with_form(device.PATH, ShowDevice, EnterUserCode),
        new.page_with_form(interaction, ContinueDevice, AnswerDevice),
        new.form_of_interaction(interaction + "/sign-in", DeviceSignIn),
    ]


def _logout(new: BrowserRoutes) -> list[Route]:
    return [
        new.get_or_form_of_others("/logout", Logout),
        new.page_with_form("/logout/confirm", Logout, ConfirmLogout),
    ]


def _account(new: BrowserRoutes) -> list[Route]:
    return [
        new.get("/account", AccountHome),
        new.get("/account/sessions", ShowSessions),
        new.page_with_form("/account/sessions/end", AskToEndSession, EndSession),
        new.get("/account/applications", ShowApplications),
        new.page_with_form("/account/applications/end", AskToEndAccess, EndAccess),
        new.page_with_form("/account/password", ShowPassword, ChangePassword),
        new.get("/account/activity", ShowActivity),
        new.page_with_form("/account/profile", ShowProfile, EditProfile),
        new.get("/account/data/download", DownloadData),
        new.page_with_form("/account/delete", ShowDeletion, DeleteAccount),
        new.get("/account/deleted", Deleted),
        new.page_with_form("/account/sign-in", ShowSignIn, AccountSignIn),
    ]


def _recovery(new: BrowserRoutes) -> list[Route]:
    return [
        new.page_with_form(reset.PATH, ShowResetRequest, RequestReset),
        new.page_with_form(links.PATHS[LinkKind.RESET], ShowReset, ResetPassword),
        new.page_with_form(email.PATH, ShowEmail, ChangeEmail),
        new.page_with_form(links.PATHS[LinkKind.EMAIL], ShowConfirmEmail, ConfirmEmail),
        new.page_with_form(sign_up.PATH, ShowSignUp, sign_up.sign_up),
        new.page_with_form(links.PATHS[LinkKind.SIGN_UP], ShowSignUpPassword, SignUpWithLink),
    ]
