"""Lets a request wait for a moment that does not depend on what was done for it."""

import asyncio

TICK = 0.01
"""Seconds. Refusals that must not tell by their time why they are sent are sent at a multiple of this."""


def moment() -> float:
    """Return the time of the event loop's clock, in seconds."""
    return asyncio.get_running_loop().time()


async def next_tick(began: float) -> None:
    """Wait for the next multiple of TICK since `began`: a user that was loaded costs some microseconds more."""
    ticks = (moment() - began) // TICK + 1
    await asyncio.sleep(began + ticks * TICK - moment())
