"""/health/live says that the process answers; /health/ready that it can do its work, or which dependency is down.

A server that was told to leave says so there, too: what spreads requests sends them elsewhere before it is gone.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ..domain.algorithms import DEFAULT
from ..domain.errors import Unavailable
from ..keyring import Keyring
from ..store import signing_keys
from ..store.database import Database
from .draining import LEAVES

SignAside = Callable[..., Awaitable[str]]
_NO_STORE = {"Cache-Control": "no-store"}


async def live(request: Request) -> Response:
    return JSONResponse({"status": "ok"}, headers=_NO_STORE)


def ready(database: Database, keyring: Keyring, now: Callable[[], int], sign_aside: SignAside) -> Any:
    """The endpoint for these dependencies; a key service is one where the active key is in it."""

    async def ready(request: Request) -> Response:
        checks = {"database": await _reaches(database), "keys": not keyring.is_stale(now())}
        if checks["keys"] and keyring.is_remote(DEFAULT):
            checks["key_service"] = await _signs(sign_aside, keyring, now())
        checks["server"] = not request.scope.get(LEAVES, False)
        down = [name for name, works in checks.items() if not works]
        if down:
            headers = _NO_STORE | {"Retry-After": "1"}
            return JSONResponse({"status": "unavailable", "down": down}, 503, headers)
        return JSONResponse({"status": "ok"}, headers=_NO_STORE)

    return ready


async def _signs(sign_aside: SignAside, keyring: Keyring, now: int) -> bool:
    """What it signs claims nothing."""
    try:
        await sign_aside(keyring.sign, {}, now)
    except Unavailable:
        return False
    return True


async def _reaches(database: Database) -> bool:
    try:
        await database.load(signing_keys.load_many, None)
    except Unavailable:
        return False
    return True
