"""Logs malformed requests, counted by kind so that a million of them cannot fill a disk."""

from typing import Any

import structlog

COUNTER = "authserver.malformed"
"""The name of the MalformedRequests in the application's state."""
log: Any = structlog.get_logger("authserver")


class MalformedRequests:
    """Logs the first request of a kind at once, and the number of the following ones at each call of `flush`.

    A kind is one of our constant sentences, so there are only a few. The counts of all lines add up to the number of
    requests.
    """

    EVERY = 60
    """Seconds between two calls of `flush`."""

    def __init__(self) -> None:
        self._counted: dict[str, tuple[int, str]] = {}
        self.total = 0
        """How many were counted since this process began."""

    def count(self, reason: str, network: str) -> None:
        self.total += 1
        counted = self._counted.get(reason)
        if counted is None:
            _log(reason, 1, network)
        self._counted[reason] = (counted[0] + 1 if counted else 0, network)

    def flush(self) -> None:
        """Log the counts since the last call, and forget the kinds that have not occurred since then."""
        counted, self._counted = self._counted, {}
        for reason, (count, network) in counted.items():
            if count:
                _log(reason, count, network)
                self._counted[reason] = (0, network)


def _log(reason: str, count: int, network: str) -> None:
    log.info("malformed_requests", reason=reason, count=count, network=network)
