"""Values for each page, to try the templates with."""

from collections.abc import Mapping

from ...accounts.activity import EventShown
from ...accounts.applications import ApplicationShown
from ...accounts.profile import FieldShown
from ...accounts.sessions import SessionShown
from ...domain.activity import ENDS, TOLD
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
_HERE = SessionShown("1", "Firefox", "Linux", "192.0.2.0/24", "2026-11-28 09:00 UTC", "2026-11-29 12:40 UTC", True)
_THERE = SessionShown("0", "Safari", "iPhone", "2001:db8::/64", "2026-11-01 18:30 UTC", "2026-11-20 08:15 UTC", False)
_NOTES = ApplicationShown(
    id="notes",
    name="Example Notes",
    uri="https://notes.example",
    scopes=("openid", "email", "notes:read"),
    claims=("birthdate",),
    resources=("https://api.notes.example",),
    since="2026-10-02 07:45 UTC",
    used="2026-11-29 12:38 UTC",
    asks=True,
)
_EVENTS = tuple(
    EventShown(name, "2026-11-29 12:38 UTC", "Example Notes", "192.0.2.0/24")
    for name in sorted({*TOLD, *ENDS.values()})
)
_FIELDS = (
    FieldShown("name", "Ada Lovelace", "name", ""),
    FieldShown("birthdate", "1815-12-10", "bday", ""),
)
SAMPLES: Mapping[str, Mapping[str, object]] = {
    "sign_in": {
        **_FORM,
        "fixed_username": "",
        "other_account": "/interaction/0",
        "keep": False,
        "error": "",
        "wait": 0,
        "reset_path": "/reset",
        "sign_up_path": "/sign-up",
        "was_reset": False,
    },
    "consent": {
        **_FORM,
        "origin": "notes.example",
        "scopes": (AskedFor("openid", is_new=False), AskedFor("email"), AskedFor("notes:read")),
        "claims": (AskedFor("birthdate"),),
        "resources": (AskedFor("https://api.notes.example", is_new=False),),
        "other_account": "/interaction/0",
    },
    "device": {**_ID, "action": "/device", "csrf": "token", "user_code": "", "error": "", "wait": 0},
    "device_consent": {
        **_FORM,
        "action": "/device/0",
        "other_account": "/device/0",
        "user_code": "BCDF-GHJK",
        "network": "192.0.2.0/24",
        "began": "2026-11-29 12:38 UTC",
        "scopes": (AskedFor("openid", is_new=False), AskedFor("email"), AskedFor("notes:read")),
        "resources": (AskedFor("https://api.notes.example", is_new=False),),
    },
    "device_done": {**_ID, "allowed": True, "client": CLIENT},
    "choose_account": _FORM,
    "account": {**_ACCOUNT, "has_mail": True},
    "email": {
        **_ACCOUNT,
        "current": "ada@example.com",
        "is_verified": True,
        "email": "",
        "sent": False,
        "done": False,
        "error": "",
        "wait": 0,
    },
    "confirm_email": {
        **_ID,
        "action": "/account/email/confirm",
        "csrf": "token",
        "link": "lk_0",
        "username": "ada",
        "email": "ada@example.com",
    },
    "new_password": {
        **_ID,
        "action": "/reset/password",
        "csrf": "token",
        "username": "ada",
        "is_new": True,
        "link": "lk_0",
        "error": "",
        "min_length": 8,
    },
    "reset": {
        **_ID,
        "action": "/reset",
        "csrf": "token",
        "email": "ada@example.com",
        "interaction": "0",
        "back": "/interaction/0",
        "error": "",
        "wait": 0,
    },
    "reset_sent": {**_ID, "minutes": 30},
    "sign_up": {
        **_ID,
        "action": "/sign-up",
        "csrf": "token",
        "has_mail": True,
        "email": "ada@example.com",
        "username": "ada",
        "min_length": 8,
        "interaction": "0",
        "back": "/interaction/0",
        "error": "",
        "wait": 0,
    },
    "sign_up_sent": {**_ID, "minutes": 30},
    "sign_up_done": _ID,
    "reset_done": _ID,
    "sign_out": {**_FORM, "action": "/logout/confirm", "request": "client_id=c_0"},
    "signed_out": {**_ID, "back": "https://notes.example", "client": CLIENT},
    "sessions": {**_ACCOUNT, "sessions": (_HERE, _THERE), "done": False},
    "end_session": {**_ACCOUNT, "sessions": (_THERE,), "session": "0"},
    "applications": {**_ACCOUNT, "applications": (_NOTES,), "done": False},
    "end_access": {**_ACCOUNT, "application": _NOTES},
    "password": {**_ACCOUNT, "error": "", "wait": 0, "min_length": 8, "done": False},
    "profile": {**_ACCOUNT, "fields": _FIELDS, "error": "", "done": False},
    "delete_account": {**_ACCOUNT, "error": "", "days": 14},
    "account_deleted": {**_ID, "days": 14},
    "activity": {**_ACCOUNT, "events": _EVENTS},
    "error": {
        **_ID,
        "code": "expired",
        "again": "/interaction/0?again=yes",
        "back": "https://notes.example",
        "client": CLIENT,
    },
    "continue": {**_ID, "uri": "https://notes.example/callback?code=ac_0", "client": CLIENT},
    "form_post": {**_ID, "uri": "https://notes.example/callback", "params": (("code", "ac_0"),), "client": CLIENT},
    "landing_page": {**_ID, "metadata": "https://login.example/.well-known/oauth-authorization-server"},
}
"""By the template's name, without `.html`."""
