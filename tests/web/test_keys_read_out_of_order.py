"""Two reads of the keys whose answers arrive in the other order: what is newer stays."""

import asyncio
import threading

from starlette.testclient import TestClient

from authserver.app import assemble
from tests.harness.constants import ISSUER, LONG


def test_an_older_state_of_the_keys_that_arrives_after_a_newer_one_is_not_taken_over(settings, lifecycle, clock):
    app, upkeep = assemble(settings, now=clock)
    upkeep.tasks.clear()
    with TestClient(app, ISSUER) as http:
        revoked = kids(http)[0]
        load, is_read, may_arrive = upkeep.database.load, threading.Event(), asyncio.Event()

        async def load_late(*arguments):
            state = await load(*arguments)
            is_read.set()
            await may_arrive.wait()
            return state

        upkeep.database.load = load_late
        older = http.portal.start_task_soon(upkeep.read_keys)
        assert is_read.wait(LONG)
        upkeep.database.load = load
        lifecycle.revoke(revoked)
        http.portal.call(upkeep.read_keys)
        http.portal.call(may_arrive.set)
        older.result(LONG)
        assert revoked not in kids(http)


def kids(http):
    return [key["kid"] for key in http.get("/.well-known/jwks.json").json()["keys"]]
