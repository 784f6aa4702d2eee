"""How many connections a process holds open."""

from collections.abc import Collection
from typing import Any

import structlog

_QUIET = 60.0  # seconds between two lines of log
log: Any = structlog.get_logger("authserver")


class ConnectionLimit:
    """Beyond it the connection that has been idle longest is closed, so that a new client is always served.

    Only where every other one has a request that is being answered is it the new connection that goes.
    """

    def __init__(self, most: int) -> None:
        self.most, self._closed, self._logged_at = most, 0, -_QUIET

    def keep(self, connections: Collection[Any], now: float) -> None:
        """To be called for each new connection, which is among these."""
        if len(connections) <= self.most:
            return
        idle = [each for each in connections if each.is_idle()]
        if idle:
            min(idle, key=lambda each: each.last_active).close()
        self._log(now)

    def _log(self, now: float) -> None:
        self._closed += 1
        if now - self._logged_at >= _QUIET:
            log.warning("connections_at_limit", limit=self.most, closed=self._closed)
            self._closed, self._logged_at = 0, now
