"""As `producing.py`, for the sign-out."""

from typing import Any
from urllib.parse import urlencode

from tests.contract.producing import Produce, without_users
from tests.contract.producing_pages import Visit, of_a_body
from tests.harness.browser import CALLBACK, FROM_OUR_PAGE, VERIFIER, answer_of, form_of
from tests.web.serving import LocalServer, change_client

_BYE = "https://client.example/bye"


def producers() -> dict[tuple[str, str], Produce]:
    found = dict(_PRODUCERS)
    for path in ("/logout", "/logout/confirm"):
        found |= {(f"post {path}", status): produce for status, produce in of_a_body(path).items()}
    return found


def _asked(server: LocalServer) -> Any:
    """The page that asks, with a request that leads back to the client."""
    visit = Visit(server, prompt="consent").signed_in()
    change_client(server.database, "sso", post_logout_redirect_uris=(_BYE,))
    form = {"grant_type": "authorization_code", "client_id": "sso", "redirect_uri": CALLBACK}
    code = answer_of(visit.browser.allow(visit.page))["code"]
    tokens = server.http.post("/token", data=form | {"code": code, "code_verifier": VERIFIER}).json()
    request = {"id_token_hint": tokens["id_token"], "post_logout_redirect_uri": _BYE, "logout_hint": "bob"}
    return visit.browser.get(f"/logout?{urlencode(request)}")


def _answered(server: LocalServer, **fields: str) -> Any:
    action, filled = form_of(_asked(server))
    return server.http.post(action, data=filled | fields, headers=FROM_OUR_PAGE, follow_redirects=False)


def _returned(server: LocalServer, path: str = "/logout") -> Any:
    request = form_of(_asked(server))[1]["request"].replace("logout_hint", "unknown")
    return server.http.get(f"{path}?{request}", follow_redirects=False)


def _unavailable(server: LocalServer, path: str) -> Any:
    Visit(server).signed_in()
    with without_users(server):
        return server.http.get(path)


def _unavailable_form(server: LocalServer) -> Any:
    action, filled = form_of(_asked(server))
    with without_users(server):
        return server.http.post(action, data=filled, headers=FROM_OUR_PAGE)


_TOO_MANY = "&".join(f"x{number}=" for number in range(65))
_PRODUCERS: dict[tuple[str, str], Produce] = {
    ("get /logout", "200"): lambda server: server.http.get("/logout"),
    ("get /logout", "303"): _returned,
    ("get /logout", "400"): lambda server: server.http.get(f"/logout?{_TOO_MANY}"),
    ("get /logout", "405"): lambda server: server.http.put("/logout"),
    ("get /logout", "414"): lambda server: server.http.get(f"/logout?x={'x' * 33_000}"),
    ("get /logout", "503"): lambda server: _unavailable(server, "/logout"),
    ("post /logout", "303"): lambda server: server.http.post("/logout", data={"x": "y"}, follow_redirects=False),
    ("get /logout/confirm", "200"): lambda server: server.http.get("/logout/confirm"),
    ("get /logout/confirm", "303"): lambda server: _returned(server, "/logout/confirm"),
    ("get /logout/confirm", "400"): lambda server: server.http.get(f"/logout/confirm?{_TOO_MANY}"),
    ("get /logout/confirm", "405"): lambda server: server.http.put("/logout/confirm"),
    ("get /logout/confirm", "414"): lambda server: server.http.get(f"/logout/confirm?x={'x' * 33_000}"),
    ("get /logout/confirm", "503"): lambda server: _unavailable(server, "/logout/confirm"),
    ("post /logout/confirm", "200"): lambda server: _answered(server, answer="sign-out"),
    ("post /logout/confirm", "303"): lambda server: _answered(server, answer="stay"),
    ("post /logout/confirm", "403"): lambda server: _answered(server, csrf="forged"),
    ("post /logout/confirm", "405"): lambda server: server.http.put("/logout/confirm"),
    ("post /logout/confirm", "503"): _unavailable_form,
}
