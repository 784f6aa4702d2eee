"""/health/live reports that the process responds, /health/ready that it can work, or which dependency is down.

/health/ready also reports that the server is shutting down, so that a load balancer stops sending requests in time.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ..domain.errors import KeyMissing, Unavailable
from ..domain.models import SECOND
from ..keyring import Keyring
from ..pipeline.pipeline import Pipeline
from ..store import signing_keys
from ..store.database import Database

SHUTTING_DOWN = "authserver.shutting_down"
"""The name in a request's scope: True if no further request should be sent to this server."""
_KEPT_FOR = 2  # seconds for which the state of the key service is cached
_TIMEOUT = 1.5  # seconds
_NO_STORE = {"Cache-Control": "no-store"}


async def live(_request: Request) -> Response:
    return JSONResponse({"status": "ok"}, headers=_NO_STORE)


def ready(database: Database, keyring: Keyring, steady: Callable[[], int], pipeline: Pipeline) -> Any:
    """Return the endpoint that checks these dependencies, and the key service if an active key is in one."""

    key_service = _KeyService(keyring, pipeline)

    async def ready(request: Request) -> Response:
        has_keys = not keyring.is_stale(steady())
        asked = [_reaches(database)]
        if has_keys and keyring.remote_algorithms():
            asked.append(key_service.works(steady()))
        reaches, *signs = await asyncio.gather(*map(_in_time, asked))
        works = {
            "database": reaches,
            "keys": has_keys,
            "key_service": all(signs),
            "server": not request.scope.get(SHUTTING_DOWN, False),
        }
        down = [name for name, it_works in works.items() if not it_works]
        if down:
            headers = _NO_STORE | {"Retry-After": "1"}
            return JSONResponse({"status": "unavailable", "down": down}, 503, headers)
        return JSONResponse({"status": "ok"}, headers=_NO_STORE)

    return ready


class _KeyService:
    """Checks the key service once for concurrent requests: signatures are made one at a time, and logins need them."""

    def __init__(self, keyring: Keyring, pipeline: Pipeline) -> None:
        self._keyring, self._pipeline = keyring, pipeline
        self._asked: asyncio.Task[bool] | None = None
        self._asked_at = 0

    async def works(self, moment: int) -> bool:
        if self._asked is None or (self._asked.done() and moment - self._asked_at >= _KEPT_FOR * SECOND):
            self._asked, self._asked_at = asyncio.create_task(self._signs(moment)), moment
        return await asyncio.shield(self._asked)

    async def _signs(self, moment: int) -> bool:
        try:
            try:
                await self._sign(moment)
            except KeyMissing:  # another process may have revoked the key
                await self._pipeline.reload_keys()
                await self._sign(moment)
        except Unavailable:
            return False
        return True

    async def _sign(self, moment: int) -> None:
        """Sign an empty set of claims, which no verifier accepts."""
        for alg in self._keyring.remote_algorithms():
            await self._pipeline.sign_in_worker(self._keyring.sign, {}, moment, alg)


async def _in_time(check: Awaitable[bool]) -> bool:
    """Run a check with a timeout: the caller would give up soon, and should learn which dependency hangs."""
    try:
        return await asyncio.wait_for(check, _TIMEOUT)
    except TimeoutError:
        return False


async def _reaches(database: Database) -> bool:
    try:
        await database.load(signing_keys.load_many, None)
    except Unavailable:
        return False
    return True
