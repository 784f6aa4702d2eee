"""`Fetcher` sends requests to servers whose URLs others may have chosen, within limits."""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from threading import Lock
from urllib.parse import SplitResult, urlsplit

from ..domain.errors import Unavailable
from ..domain.outgoing import AllowList, url_fault
from ..pool import Pool
from .addresses import Resolve, checked, resolve
from .errors import FetchFailed
from .exchange import Deadline, Response, post

TIMEOUT = 5.0
"""Seconds for a whole exchange."""
_THREADS, _QUEUE = 8, 64
_PER_HOST = 2


class Fetcher:
    """Sends each request in a thread of its own pool, with at most `per_host` at a time to one host."""

    def __init__(
        self, allowed: AllowList, resolve: Resolve = resolve, timeout: float = TIMEOUT, *, per_host: int = _PER_HOST
    ) -> None:
        """`timeout` is in seconds."""
        self._allowed, self._resolve, self._timeout, self._per_host = allowed, resolve, timeout, per_host
        self._pool = Pool("outgoing requests", _THREADS, _QUEUE, timeout)
        self._running, self._lock = Counter[str](), Lock()

    async def post(
        self, url: str, body: bytes, headers: Mapping[str, str], content_type: str | None = None
    ) -> Response:
        """POST `body`, and return the response, which may have any status, 3xx included: redirects are not followed.

        With `content_type`, the response must have that media type. Raises FetchFailed."""
        fault = url_fault(url, self._allowed)
        if fault is not None:
            raise FetchFailed(f"The URL {fault}.")
        parts = urlsplit(url)
        try:
            response = await self._pool.run(self._exchange, parts, body, headers, sender=parts.netloc)
        except Unavailable as error:
            raise FetchFailed(str(error)) from error
        if content_type is not None and _media_type(response) != content_type:
            raise FetchFailed(f"The response is not {content_type}.")
        return response

    def close(self) -> None:
        self._pool.close()

    def _exchange(self, url: SplitResult, body: bytes, headers: Mapping[str, str]) -> Response:
        host, deadline = url.hostname or "", Deadline(self._timeout)
        with self._one_of_few(host):
            return post(url, checked(host, self._allowed, self._resolve), body, headers, deadline)

    @contextmanager
    def _one_of_few(self, host: str) -> Iterator[None]:
        """Limit the requests to one host, so that a slow host occupies only some of the threads. Requests whose callers
        have given up count too."""
        with self._lock:
            if self._running[host] >= self._per_host:
                raise FetchFailed(f"{self._per_host} requests to {host} are already running.")
            self._running[host] += 1
        try:
            yield
        finally:
            with self._lock:
                self._running[host] -= 1
                if not self._running[host]:
                    del self._running[host]


def _media_type(response: Response) -> str:
    return response.headers.get("content-type", "").partition(";")[0].strip().lower()
