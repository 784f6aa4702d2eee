"""The server as `authserver serve` runs it, until it has reached a point TIMES times: then it dies as by kill -9.

    python -P kill_at.py POINT TIMES serve --port N

Nothing of this is in the product. The last words in its log are MARK and the point. Its background tasks run more
often than usual.
"""

import os
import random
import signal
import sys
import threading
import time
from collections.abc import Callable
from functools import wraps
from itertools import count
from typing import Any

MARK = "killed at"
_COMMIT = 0.003  # seconds, about as long as one takes
_SOON = 0.3  # seconds
_done = count(1)


def die_after(times: int, point: str) -> Callable[[], None]:
    def die() -> None:
        if next(_done) == times:
            os.write(2, f"{MARK} {point}\n".encode())
            os.kill(os.getpid(), signal.SIGKILL)

    return die


def before(function: Callable[..., Any], die: Callable[[], None]) -> Callable[..., Any]:
    @wraps(function)
    def call(*arguments: Any, **options: Any) -> Any:
        die()
        return function(*arguments, **options)

    return call


def after(function: Callable[..., Any], die: Callable[[], None]) -> Callable[..., Any]:
    @wraps(function)
    def call(*arguments: Any, **options: Any) -> Any:
        found = function(*arguments, **options)
        die()
        return found

    return call


def meanwhile(function: Callable[..., Any], die: Callable[[], None]) -> Callable[..., Any]:
    """Die at some moment of the following code."""

    def later() -> None:
        time.sleep(random.uniform(0, _COMMIT))
        die()

    return after(function, lambda: threading.Thread(target=later, daemon=True).start())


POINTS = {
    "before-transaction": ("store.group_commit", "_transact", before),
    "before-commit": ("store.group_commit", "is_in_transaction", after),  # the last call before it
    "in-commit": ("store.group_commit", "is_in_transaction", meanwhile),
    "after-commit": ("store.database", "Database._finish_group", before),  # durable, and nobody told
    "in-key-rotation": ("keyring.lifecycle.transactions", "Transactions.write", after),
    "after-key-rotation": ("keyring.lifecycle.transactions", "Transactions.commit", after),
    "in-pruning": ("store.pruning", "_prune_many", after),
}


def install(point: str, times: int) -> None:
    """Install the point. Fails if it is no longer in the code, and so would never be reached."""
    from importlib import import_module

    from authserver.background import INTERVALS

    module, name, how = POINTS[point]
    *within, name = name.split(".")
    owner: Any = import_module(f"authserver.{module}")
    for each in within:
        owner = getattr(owner, each)
    setattr(owner, name, how(getattr(owner, name), die_after(times, point)))
    INTERVALS.update(rotate_keys=_SOON, prune=_SOON)


if __name__ in ("__main__", "__mp_main__"):  # the first process, and its workers
    install(sys.argv[1], int(sys.argv[2]))
    if __name__ != "__mp_main__":
        from authserver.cli import main

        main(sys.argv[3:])
