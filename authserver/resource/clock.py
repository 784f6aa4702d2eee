"""The two clocks of the guard, in seconds. Tokens are judged by the wall clock, the age of a key set by the steady one:
setting the machine's clock must not make fresh keys look a day old while their issuer is down.

A clock that is given to `Guard` takes the place of both. Like the rest of this package, this does without
`authserver.system`, which an API does not have.
"""

import time  # noqa: TID251 - see above
from collections.abc import Callable
from functools import partial

__all__ = ["steady", "wall"]

wall = time.time
steady: Callable[[], float] = time.monotonic
if hasattr(time, "clock_gettime"):  # not on Windows
    # CLOCK_BOOTTIME goes on while the machine is suspended; CLOCK_MONOTONIC does so only outside Linux.
    steady = partial(time.clock_gettime, getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))
