"""Asking for a mail runs the same code whether or not somebody has an account: an answer's time cannot tell."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from authserver.background import INTERVALS
from authserver.store import user_claims
from authserver.store.database import Database
from tests.harness.browser import Browser
from tests.web.mailing import post_address
from tests.web.serving import rows
from tests.web.test_same_work import Calls, calls

__all__ = ["calls"]
ADA, NOBODY = "ada@example.com", "nobody@example.com"
OF_REQUESTS = (
    "authserver/accounts/",
    "/pipeline/",
    "authserver/web/",
    "/passwords",
    "store/browser_state",
    "store/sign_ins",
)
"""Where the code of a request is; what the server does by itself runs in between."""
MAILING = pytest.mark.parametrize("settings", [{"sign_up": "on", "smtp_url": "file:nowhere"}], indirect=True)


@pytest.fixture(autouse=True)
def _nothing_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sending finds out who has an account, later and in between."""
    monkeypatch.setitem(INTERVALS, "deliver_outbox", 3600)


@pytest.fixture
def ask(browser: Browser, database: Database) -> Callable[[str, str], Any]:
    """`ask("/reset", address)`: the response."""
    with database.begin() as connection:
        user_claims.replace(connection, "u_ada", {"email": ADA, "email_verified": True})

    def ask(path: str, address: str) -> Any:
        return post_address(browser, path, address)

    return ask


@MAILING
@pytest.mark.parametrize("path", ["/reset", "/sign-up"])
def test_the_request_calls_the_same_functions_whether_or_not_somebody_has_the_address(
    ask: Callable[[str, str], Any], calls: Calls, path: str
) -> None:
    def called(address: str) -> Calls:
        assert ask(path, address).status_code == 303
        return [call for call in calls if any(place in call[0] for place in OF_REQUESTS)]

    assert called(ADA) and called(NOBODY)  # what is only done once, such as beginning a counter
    ours, nobodys = called(ADA), called(NOBODY)
    assert ours == nobodys and any("mail_form" in place for place, _ in ours)


@MAILING
@pytest.mark.parametrize("path", ["/reset", "/sign-up"])
def test_the_request_writes_the_same_rows_except_for_the_address(
    ask: Callable[[str, str], Any], database: Database, path: str
) -> None:
    for address in (ADA, NOBODY):
        ask(path, address)
    one, other = rows(database, "outbox")
    texts = {
        re.sub("[0-9a-f]{32,64}", "", row["content"].replace(row_address, ""))
        for row, row_address in ((one, ADA), (other, NOBODY))
    }
    assert len(texts) == 1 and one["queue"] == other["queue"] and one["user_id"] is other["user_id"] is None
