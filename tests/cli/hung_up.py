"""A server that gets SIGHUP while it starts, serves, reads and stops, each time in the middle of what holds a lock.

Each signal goes to the process, as `kill` sends it, and comes from a thread: so one of its threads has it, handled or
not, when the lock is still held. Prints what happens. The fifth server, which was to start again, is ended.

    python hung_up.py reads|stops        when that is
"""

import asyncio
import os
import signal
import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from threading import Lock
from typing import Any

from uvicorn import Config

from authserver.serving import sighup
from authserver.serving.draining import Draining
from authserver.serving.processes import serve_in_one_process

LOCK = Lock()
NUMBERS, READ = count(1), count(1)
THREADS: list[Any] = []
ENDS = sys.argv[1]


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Knows nothing but how to start and to stop."""
    number = next(NUMBERS)
    await receive()
    send_signal(number == 1, "SIGHUP", "starts")
    await send({"type": "lifespan.startup.complete"})
    asyncio.get_running_loop().call_later(0.2, serve, number)
    await receive()
    send_signal(number == 3, "SIGHUP", "stops")
    send_signal(number == 5 and ENDS == "stops", "SIGTERM", "stops")
    await send({"type": "lifespan.shutdown.complete"})


def serve(number: Any) -> None:
    start_thread()
    send_signal(number in (2, 5), "SIGHUP", "serves")
    send_signal(number == 2, "SIGHUP", "still serves")


def start_thread() -> None:
    """It stays, like those of a server, and blocks what is blocked now."""
    THREADS.append(ThreadPoolExecutor(1))
    THREADS[-1].submit(os.getpid).result()


def send_signal(true: Any, name: Any, when: Any) -> None:
    if true:
        with LOCK:
            print(name, "while it", when, flush=True)
            THREADS[-1].submit(os.kill, os.getpid(), getattr(signal, name)).result()


def reload_config() -> Any:
    print("in the middle of it" if LOCK.locked() else "read again", flush=True)
    number = next(READ)
    send_signal(number == 2, "SIGHUP", "reads")
    send_signal(number == 5 and ENDS == "reads", "SIGTERM", "reads")
    return configure()


def configure() -> Any:
    return Config(Draining(app), log_config=None, ws="none")


if __name__ == "__main__":
    sighup.hold()
    start_thread()
    listener = socket.create_server(("127.0.0.1", 0))
    serve_in_one_process(configure(), listener, reload_config)
