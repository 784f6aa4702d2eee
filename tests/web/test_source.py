"""What the code of authserver/web and authserver/oauth may not do, found by reading it."""

import re
from pathlib import Path

import pytest

import authserver

SOURCES = {
    path.relative_to(Path(authserver.__file__).parent): path.read_text()
    for folder in ("web", "oauth")
    for path in (Path(authserver.__file__).parent / folder).rglob("*.py")
}


@pytest.mark.parametrize(
    "forbidden",
    [
        r"\.(base_)?url\b|url_for|url_path_for",  # what Starlette makes of Host and the target
        r"(?i)x-forwarded-(?!for\b)|x-real-ip",  # the issuer is configured
        r"request\.(args|data|datalist|body|uri|grant_type)\b",  # Authlib's: deprecated, or from the query string
        r"authlib\.(integrations|jose)",
        r"BaseHTTPMiddleware|RedirectResponse\([^)]*307",
    ],
)
def test_web_and_oauth_never_use_what_a_caller_controls_or_is_deprecated(forbidden: str) -> None:
    assert len(SOURCES) > 15
    lines = [(str(path), line) for path, text in SOURCES.items() for line in text.splitlines()]
    assert [found for found in lines if re.search(forbidden, found[1])] == []


def test_only_the_callers_address_is_taken_from_a_forwarded_header() -> None:
    named = {str(path) for path, text in SOURCES.items() if re.search(r'(?i)"(x-forwarded-for|forwarded)"', text)}
    assert named == {"web/network.py"}
