"""What tests of the pages between /authorize and the response look for."""

from typing import Any

SIGN_IN, CONSENT, CHOICE = 'id="sign-in"', 'id="allow"', 'id="continue" name="account"'
"""What only this page has: that of the sign-in, of the consent, of the choice of an account."""


def error_page(response: Any, status: int, words: str) -> bool:
    return response.status_code == status and words in response.text and 'id="error"' in response.text


def csrf_of(page: Any) -> str:
    return str(page.text.partition('name="csrf" value="')[2].partition('"')[0])
