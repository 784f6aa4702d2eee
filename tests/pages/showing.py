"""The pages as an application of their own: each answer at a path, rendered as the server renders it."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from starlette.applications import Starlette
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.testclient import TestClient
from starlette.types import ASGIApp, Receive, Scope, Send

from authserver.accounts.profile import FieldShown
from authserver.domain.forwarded import TrustedProxies
from authserver.pipeline.replies import BrowserAnswer, Cookie, Page, Redirect
from authserver.web.browser.pages import Pages
from authserver.web.browser.samples import CLIENT, SAMPLES
from authserver.web.browser.templates import STATIC, Templates
from authserver.web.request_id import RequestId

ISSUER = "https://login.example"
CALLBACK = "https://notes.example/callback"
HOSTILE = "\"><script>alert(1)</script>'&é\r\n"
SIGN_IN = Page("sign_in", {**SAMPLES["sign_in"], "username": "", "reset_path": "", "sign_up_path": ""})
ERRORS = (
    *("expired", "completed", "other_browser", "cookies", "link", "link_user", "no_mail", "no_sign_up", "forged"),
    *("too_many", "unavailable", "failed", "request", "not_found"),
)


ACCOUNT = (
    *("account", "sessions", "end_session", "applications", "end_access", "activity", "password", "profile"),
    *("delete_account", "account_deleted"),
)
"""The templates of the account pages."""
WITH_DONE = ("sessions", "applications", "password", "profile")
WRONG = {"error": "wrong", "done": False}
FAULTY = tuple(
    FieldShown(name, "x", "", fault)
    for name, fault in (
        ("name", "characters"),
        ("nickname", "long"),
        ("website", "url"),
        ("birthdate", "date"),
        ("gender", ""),
    )
)
WITH_NAMES = ("sign_in", "consent", "device_consent", "choose_account", "sign_out", "signed_out", "error")
LONG = {"client": replace(CLIENT, name="W" * 100), "username": "w" * 64, "origin": f"{'w' * 63}.example"}


def changed(page: Page, **values: Any) -> Page:
    return replace(page, values={**page.values, **values})


ANSWERS: Mapping[str, BrowserAnswer] = {
    "/sign-in": SIGN_IN,
    "/other-ways": Page("sign_in", SAMPLES["sign_in"]),
    "/hint": changed(SIGN_IN, username="ada"),
    "/wrong": replace(changed(SIGN_IN, username="ada", error="wrong", keep=True), status=422),
    "/delayed": replace(changed(SIGN_IN, username="ada", error="delayed", wait=40), status=429, retry_after=40),
    "/busy": replace(changed(SIGN_IN, username="ada", error="busy"), status=503, retry_after=1),
    "/again": changed(SIGN_IN, fixed_username="ada", username=""),
    "/consent": Page("consent", SAMPLES["consent"]),
    "/reset": Page("reset", SAMPLES["reset"]),
    "/reset/address": replace(changed(Page("reset", SAMPLES["reset"]), error="address"), status=422),
    "/reset/delayed": replace(changed(Page("reset", SAMPLES["reset"]), error="delayed", wait=40), status=429),
    "/reset/sent": Page("reset_sent", SAMPLES["reset_sent"]),
    "/reset/password": changed(Page("new_password", SAMPLES["new_password"]), is_new=False),
    "/reset/weak": replace(changed(Page("new_password", SAMPLES["new_password"]), error="short"), status=422),
    "/email": Page("email", SAMPLES["email"]),
    "/email/sent": changed(Page("email", SAMPLES["email"]), sent=True),
    "/email/address": replace(changed(Page("email", SAMPLES["email"]), email="ada", error="address"), status=422),
    "/email/confirm": Page("confirm_email", SAMPLES["confirm_email"]),
    "/sign-up": Page("sign_up", SAMPLES["sign_up"]),
    "/sign-up/address": replace(changed(Page("sign_up", SAMPLES["sign_up"]), error="address"), status=422),
    "/sign-up/without-mail": changed(Page("sign_up", SAMPLES["sign_up"]), has_mail=False, email="", username=""),
    "/sign-up/taken": replace(
        changed(Page("sign_up", SAMPLES["sign_up"]), has_mail=False, error="name_taken"), status=422
    ),
    "/sign-up/weak": replace(changed(Page("sign_up", SAMPLES["sign_up"]), has_mail=False, error="short"), status=422),
    "/sign-up/sent": Page("sign_up_sent", SAMPLES["sign_up_sent"]),
    "/sign-up/password": Page("new_password", SAMPLES["new_password"]),
    "/sign-up/done": Page("sign_up_done", SAMPLES["sign_up_done"]),
    "/reset/done": Page("reset_done", SAMPLES["reset_done"]),
    "/device": Page("device", SAMPLES["device"]),
    "/device/complete": changed(Page("device", SAMPLES["device"]), user_code="BCDF-GHJK"),
    "/device/wrong": replace(changed(Page("device", SAMPLES["device"]), user_code="BCDF", error="wrong"), status=422),
    "/device/delayed": replace(changed(Page("device", SAMPLES["device"]), error="delayed", wait=40), status=429),
    "/device/0": Page("device_consent", SAMPLES["device_consent"]),
    "/device/allowed": Page("device_done", SAMPLES["device_done"]),
    "/device/denied": changed(Page("device_done", SAMPLES["device_done"]), allowed=False),
    "/choose-account": Page("choose_account", SAMPLES["choose_account"]),
    "/continue": Redirect(CALLBACK, (("code", "ac_0"), ("state", HOSTILE)), after_form=True, client=CLIENT),
    "/form-post": Redirect(CALLBACK, (("code", "ac_0"), ("state", HOSTILE)), "form_post", client=CLIENT),
    "/invalid_request": Page("error", {"code": "invalid_request", "description": "No such client."}, 400),
    "/landing-page": Page("landing_page", SAMPLES["landing_page"]),
    "/account": Page("account", SAMPLES["account"]),
    **{f"/account/{name}": Page(name, SAMPLES[name]) for name in ACCOUNT[1:]},
    **{f"/account/{name}/done": changed(Page(name, SAMPLES[name]), done=True) for name in WITH_DONE},
    "/account/password/wrong": replace(changed(Page("password", SAMPLES["password"]), **WRONG), status=422),
    "/account/profile/wrong": replace(changed(Page("profile", SAMPLES["profile"]), **WRONG, fields=FAULTY), status=400),
    "/link-again": Page("error", {"code": "link", "again": "/reset"}, 400),
    "/account/delete/wrong": replace(changed(Page("delete_account", SAMPLES["delete_account"]), **WRONG), status=400),
    "/deleting": replace(
        changed(SIGN_IN, username="ada", error="deleting", deleted_at="2026-12-13 12:40 UTC"), status=403
    ),
    "/sign-out": Page("sign_out", SAMPLES["sign_out"]),
    "/signed-out": Page("signed_out", SAMPLES["signed_out"]),
    "/logout/confirm": Redirect(CALLBACK, (("state", HOSTILE),), after_form=True, client=CLIENT),
    **{f"/long/{name}": Page(name, {**SAMPLES[name], **LONG}) for name in WITH_NAMES},
    "/interaction/0": Redirect(CALLBACK, (("code", "ac_0"), ("state", HOSTILE)), after_form=True),
    **{f"/{code}": Page("error", {"code": code, "back": CALLBACK, "client": CLIENT}, 400) for code in ERRORS},
}


def set_cookie(name: str, cookie: Cookie | None) -> str:
    return f"{name}={cookie.value if cookie else ''}"


class Showing:
    """Answers every request for a path with the answer that is kept for it."""

    def __init__(self, pages: Pages, answers: Mapping[str, BrowserAnswer]) -> None:
        self._pages, self._answers = pages, answers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._pages.send(scope, send, self._answers[scope["path"]])


def application(answers: Mapping[str, BrowserAnswer] = ANSWERS, pages: Pages | None = None) -> ASGIApp:
    pages = pages or Pages(ISSUER, set_cookie, Templates(ISSUER))
    routes = [Mount("/static", StaticFiles(directory=STATIC)), Route("/{path:path}", Showing(pages, answers))]
    return RequestId(Starlette(routes=routes), new_id=lambda: bytes(16), trusted=TrustedProxies())


def client(answers: Mapping[str, BrowserAnswer] = ANSWERS, pages: Pages | None = None) -> TestClient:
    return TestClient(application(answers, pages), ISSUER, follow_redirects=False)
