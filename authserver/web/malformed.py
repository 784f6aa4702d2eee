"""Malformed requests in the log: counted by kind, so that whoever sends a million of them cannot fill a disk."""

from typing import Any

import structlog

COUNTER = "authserver.malformed"
"""In the state of the application: its MalformedRequests."""
log: Any = structlog.get_logger("authserver")


class MalformedRequests:
    """The first of a kind is logged at once, what follows as one line each time that `flush` is called.

    A kind is a constant sentence of ours, so that there are only a few. The counts of all lines add up to the requests.
    """

    EVERY = 60
    """Seconds between two calls of `flush`."""

    def __init__(self) -> None:
        self._counted: dict[str, tuple[int, str]] = {}

    def count(self, reason: str, network: str) -> None:
        counted = self._counted.get(reason)
        if counted is None:
            _log(reason, 1, network)
        self._counted[reason] = (counted[0] + 1 if counted else 0, network)

    def flush(self) -> None:
        """A kind that has not been seen since the last call is a new one again."""
        counted, self._counted = self._counted, {}
        for reason, (count, network) in counted.items():
            if count:
                _log(reason, count, network)
                self._counted[reason] = (0, network)


def _log(reason: str, count: int, network: str) -> None:
    log.info("malformed_requests", reason=reason, count=count, network=network)
