"""Posts events to a URL, signed in the form of Standard Webhooks."""

import json
from collections.abc import Callable, Sequence

from ..domain.delivery import WEBHOOK
from ..domain.models import SECOND
from ..domain.times import utc_precise
from ..domain.webhook_signature import headers
from ..fetch import Fetcher, FetchFailed
from ..store.events import StoredEvent, described
from .receiver import NotReceived


class Webhook:
    name, limit = WEBHOOK, 100

    def __init__(self, url: str, key: bytes, issuer: str, fetcher: Fetcher, now: Callable[[], int]) -> None:
        """`now` returns microseconds."""
        self._url, self._key, self._issuer, self._fetcher, self._now = url, key, issuer, fetcher, now

    async def send(self, events: Sequence[StoredEvent]) -> None:
        """POST the events. Any status from 200 to 299 says that they were received. Raises NotReceived."""
        first, last = events[0], events[-1]
        # Every attempt sends the same id. Because of the time in it, no id is used again after a restore.
        id = f"events-{first.id}-{last.id}-{last.at}"
        body = self._body(events)
        signed = headers(self._key, id, self._now() // SECOND, body)
        try:
            response = await self._fetcher.post(self._url, body, {"Content-Type": "application/json", **signed})
        except FetchFailed as error:
            raise NotReceived(str(error)) from error
        if not 200 <= response.status <= 299:
            hint = " Redirects are not followed." if 300 <= response.status <= 399 else ""
            raise NotReceived(f"The response has status {response.status}.{hint}")

    def close(self) -> None:
        self._fetcher.close()

    def _body(self, events: Sequence[StoredEvent]) -> bytes:
        rows = [{"id": event.id, **described(event)} for event in events]
        data = {"issuer": self._issuer, "events": rows}
        return json.dumps({"type": "audit.events", "timestamp": utc_precise(events[-1].at), "data": data}).encode()
