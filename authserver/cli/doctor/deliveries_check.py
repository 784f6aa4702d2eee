"""Checks that the events of the audit trail reach their receivers."""

from collections.abc import Iterator, Mapping

from ...domain.delivery import HOOK, WEBHOOK, Progress
from ...domain.models import SECOND
from ...domain.times import counted, span
from ...settings import Settings
from .finding import OK, WARNING, Finding

CHECK = "events"
_FIX = "The field reason of event_delivery_failed in the log says why."


def check(settings: Settings, progress: Mapping[str, Progress], now: int) -> Iterator[Finding]:
    """`progress` is that of each receiver; `now` is in microseconds. There is no finding without a receiver."""
    receivers = {WEBHOOK: settings.audit_webhook, HOOK: settings.audit_hook}
    for name, receiver in receivers.items():
        if receiver is not None:
            yield _finding(name, progress.get(name, Progress()), now)


def _finding(name: str, progress: Progress, now: int) -> Finding:
    if not progress.failures:
        return Finding(CHECK, OK, f"Events are delivered to the {name}.")
    attempts, wait = counted(progress.failures, "attempt"), span(max(progress.next_at - now, SECOND))
    text = f"No event is delivered to the {name}: {attempts} in a row failed. The next one is in {wait}."
    return Finding(CHECK, WARNING, text, _FIX)
