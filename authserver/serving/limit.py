"""Limits how many connections a process keeps open."""

from collections.abc import Collection
from typing import Any

import structlog

_QUIET = 60.0  # seconds between two log lines
log: Any = structlog.get_logger("authserver")


class ConnectionLimit:
    """Closes the connection that has been idle longest when there are too many, so that a new client is always served.

    The new connection itself is closed only if a request is being handled on every other one.
    """

    def __init__(self, limit: int) -> None:
        self.limit, self._closed, self._logged_at = limit, 0, -_QUIET

    def enforce(self, connections: Collection[Any], now: float) -> None:
        """Call this for each new connection; `connections` includes it."""
        if len(connections) <= self.limit:
            return
        idle = [each for each in connections if each.is_idle()]
        if idle:
            min(idle, key=lambda each: each.last_active).close()
        self._log(now)

    def _log(self, now: float) -> None:
        self._closed += 1
        if now - self._logged_at >= _QUIET:
            log.warning("connections_at_limit", limit=self.limit, closed=self._closed)
            self._closed, self._logged_at = 0, now
