"""One finding of a check, and how to fix it."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

OK, INFO, WARNING, ERROR = LEVELS = ("ok", "info", "warning", "error")
"""From harmless to serious. `ok` is a check that found nothing; `info` is a choice that the operator should know of."""


@dataclass(frozen=True, slots=True)
class Finding:
    check: str
    level: str
    finding: str
    fix: str = ""
    """What to do, as a sentence or a line to paste; "" if there is nothing to do."""


def of_error(check: str, error: Exception) -> Finding:
    """Return the finding of a check that failed. Our errors consist of what is wrong and, below it, what to do."""
    wrong, _, fix = str(error).partition("\n")
    return Finding(check, ERROR, re.sub(r"[.]? ?(Run|Write)?:$", ".", wrong), " ".join(fix.split()))


def or_ok(check: str, findings: Iterable[Finding], well: str) -> list[Finding]:
    """Return the findings; without any, the finding that all is well, in the words of `well`."""
    return list(findings) or [Finding(check, OK, well)]
