"""Values for each page, to try the templates with."""

from collections.abc import Mapping

from ...pipeline.replies import AskedFor, ClientShown

CLIENT = ClientShown(
    name="Example Notes",
    uri="https://notes.example",
    policy_uri="https://notes.example/privacy",
    tos_uri="https://notes.example/terms",
)
_ID = {"request_id": "0" * 32}
_FORM = {**_ID, "action": "/interaction/0", "csrf": "token", "username": "ada", "client": CLIENT}
_ACCOUNT = {**_ID, "action": "/account", "csrf": "token", "username": "ada"}
SAMPLES: Mapping[str, Mapping[str, object]] = {
    "sign_in": {
        **_FORM,
        "fixed_username": "",
        "other_account": "/interaction/0",
        "keep": False,
        "error": "",
        "wait": 0,
    },
    "consent": {
        **_FORM,
        "origin": "notes.example",
        "scopes": (AskedFor("openid", is_new=False), AskedFor("email"), AskedFor("notes:read")),
        "claims": (AskedFor("birthdate"),),
        "resources": (AskedFor("https://api.notes.example", is_new=False),),
        "other_account": "/interaction/0",
    },
    "choose_account": _FORM,
    "account": _ACCOUNT,
    "new_password": {**_FORM, "is_new": True, "link": "lk_0", "error": "", "min_length": 8},
    "reset_done": _ID,
    "sign_out": {**_FORM, "action": "/logout/confirm", "request": "client_id=c_0"},
    "signed_out": {**_ID, "back": "https://notes.example", "client": CLIENT},
    "error": {**_ID, "code": "expired", "back": "https://notes.example", "client": CLIENT},
    "continue": {**_ID, "uri": "https://notes.example/callback?code=ac_0", "client": CLIENT},
    "form_post": {**_ID, "uri": "https://notes.example/callback", "params": (("code", "ac_0"),), "client": CLIENT},
    "landing_page": {**_ID, "metadata": "https://login.example/.well-known/oauth-authorization-server"},
}
"""By the template's name, without `.html`."""
