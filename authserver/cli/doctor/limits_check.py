"""Checks that no limit on guessing and flooding is switched off."""

from collections.abc import Iterator

from ...settings import Settings
from .finding import WARNING, Finding, or_ok

CHECK = "limits"
_OFF = "0 is no limit"
"""The words with which a setting says that 0 switches it off."""


def check(settings: Settings) -> list[Finding]:
    return or_ok(CHECK, _findings(settings), "Every limit is on.")


def _findings(settings: Settings) -> Iterator[Finding]:
    for row in settings.describe():
        if _OFF in row["help"] and row["value"] == 0:
            text = f"{row['variable']}=0: there is no limit on {row['help'].partition(';')[0]}."
            yield Finding(CHECK, WARNING, text, f"{row['variable']}={row['default']}")
