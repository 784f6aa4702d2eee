"""Sample values for each email's template, to find mistakes in it."""

from collections.abc import Mapping

SAMPLES: Mapping[str, Mapping[str, object]] = {
    "test": {},
    "reset": {"username": "ada", "link": "https://login.example/reset/password?link=lk_0", "minutes": 30},
    "sign_up": {
        "has_account": False,
        "username": "ada",
        "link": "https://login.example/sign-up/password?link=lk_0",
        "minutes": 30,
    },
    "email": {
        "is_taken": False,
        "link": "https://login.example/account/email/confirm?link=lk_0",
        "minutes": 30,
    },
    "email_changed": {"username": "ada"},
    "password_changed": {"username": "ada"},
    "deletion_requested": {"username": "ada", "day": "2026-12-13 12:40 UTC"},
    "deletion_cancelled": {"username": "ada", "by_operator": False},
}
"""By the template's name, without `.txt`."""
