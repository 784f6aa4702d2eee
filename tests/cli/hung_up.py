"""A server that gets SIGHUP while it starts, serves, reads and stops, each time in the middle of what holds a lock.

Prints what happens. The fifth server, which nothing hangs up, is the last.
"""

import asyncio
import signal
import socket
from itertools import count
from threading import Lock

from uvicorn import Config

from authserver.cli.serving import serve_alone
from authserver.web.draining import Draining

LOCK = Lock()
NUMBERS, READ = count(1), count(1)


async def app(scope, receive, send):
    """Knows nothing but how to start and to stop."""
    number = next(NUMBERS)
    await receive()
    hang_up(number == 1, "starts")
    await send({"type": "lifespan.startup.complete"})
    asyncio.get_running_loop().call_later(0.2, serve, number)
    await receive()
    hang_up(number == 3, "stops")
    await send({"type": "lifespan.shutdown.complete"})


def serve(number):
    hang_up(number == 2, "serves")
    hang_up(number == 2, "still serves")
    if number == 5:
        signal.raise_signal(signal.SIGTERM)


def hang_up(true, when):
    if true:
        with LOCK:
            print("SIGHUP while it", when, flush=True)
            signal.raise_signal(signal.SIGHUP)


def read_again():
    print("in the middle of it" if LOCK.locked() else "read again", flush=True)
    hang_up(next(READ) == 2, "reads")
    return configure()


def configure():
    return Config(Draining(app), log_config=None, ws="none")


if __name__ == "__main__":
    listener = socket.create_server(("127.0.0.1", 0))
    serve_alone(configure(), listener, read_again)
