"""/health/live says that the process answers; /health/ready that it can do its work, or which dependency is down."""

from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ..domain.errors import Unavailable
from ..keyring import Keyring
from ..store import signing_keys
from ..store.database import Database

_NO_STORE = {"Cache-Control": "no-store"}


async def live(request: Request) -> Response:
    return JSONResponse({"status": "ok"}, headers=_NO_STORE)


def ready(database: Database, keyring: Keyring, now: Callable[[], int]) -> Any:
    """The endpoint for these dependencies."""

    async def ready(request: Request) -> Response:
        checks = {"database": await _reaches(database), "keys": not keyring.is_stale(now())}
        down = [name for name, works in checks.items() if not works]
        if down:
            headers = _NO_STORE | {"Retry-After": "1"}
            return JSONResponse({"status": "unavailable", "down": down}, 503, headers)
        return JSONResponse({"status": "ok"}, headers=_NO_STORE)

    return ready


async def _reaches(database: Database) -> bool:
    try:
        await database.load(signing_keys.load_many, None)
    except Unavailable:
        return False
    return True
