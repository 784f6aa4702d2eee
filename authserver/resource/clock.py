"""The two clocks of the guard, in seconds. A token's times are compared with the wall clock, the age of a key set with
the steady clock: setting the machine's clock must not make fresh keys look a day old while their issuer is down.

A clock passed to `Guard` replaces both. Like the rest of this package, this module does not import `authserver.system`,
which belongs to the server.
"""

import time  # noqa: TID251 - see above
from collections.abc import Callable
from functools import partial

__all__ = ["steady", "wall"]

wall = time.time
steady: Callable[[], float] = time.monotonic
if hasattr(time, "clock_gettime"):  # not on Windows
    # CLOCK_BOOTTIME also runs while the machine is suspended; CLOCK_MONOTONIC does so only outside Linux.
    steady = partial(time.clock_gettime, getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))
