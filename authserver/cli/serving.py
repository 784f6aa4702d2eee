"""uvicorn's processes: how they end and are replaced without losing a request."""

import os
import signal
import socket
import sys
from collections.abc import Callable
from types import FrameType

from uvicorn import Config, Server
from uvicorn.supervisors import Multiprocess

from ..web.draining import LEAVE

ReadAgain = Callable[[], Config | None]
"""By the settings as they are now; None, having said why, where they would not do."""
_SIGHUP = {signal.SIGHUP}


class Alone(Server):
    """The only process. When it is to start again, whoever connects meanwhile waits in the listener.

    SIGHUP waits, too, until an event loop can take care of it: reading the settings again may not interrupt whatever
    holds a lock.
    """

    def __init__(self, config: Config, listener: socket.socket, read_again: ReadAgain) -> None:
        super().__init__(config)
        self._listener, self._read_again = listener, read_again
        self.next: Config | None = None
        """What to start again with; None is the end."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGHUP)

    def hang_up(self, number: int, frame: object) -> bool:
        """Handles SIGHUP, from the event loop. Whether it ends."""
        if not self.should_exit:
            signal.pthread_sigmask(signal.SIG_BLOCK, _SIGHUP)  # the next one may be about settings that changed since
            self.next = self._read_again()
            self.should_exit = self.next is not None
        if not self.should_exit:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGHUP)
        return self.should_exit

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._listener.close()  # else whoever connects while it finishes waits for nobody
        self.next = None
        super().handle_exit(sig, frame)


def serve_alone(config: Config, listener: socket.socket, read_again: ReadAgain) -> None:
    following: Config | None = config
    while following is not None:
        server = Alone(following, listener, read_again)
        if not _is_in_terminal():
            signal.pthread_sigmask(signal.SIG_BLOCK, _SIGHUP)
            signal.signal(signal.SIGHUP, server.hang_up)
        server.run(sockets=[listener.dup()])
        following = server.next


class Workers(Multiprocess):
    """On SIGHUP, which `restart_all` handles, they are replaced one by one; so none is missing."""

    def __init__(self, config: Config, listener: socket.socket, read_again: ReadAgain) -> None:
        super().__init__(config, sockets=[listener])
        if _is_in_terminal():
            signal.signal(signal.SIGHUP, signal.SIG_DFL)
        self._listener, self._read_again = listener, read_again

    def restart_all(self) -> None:
        following = self._read_again()
        if following is not None:
            self.config = following
            super().restart_all()

    def terminate_all(self) -> None:
        self._listener.close()  # else whoever connects while they finish waits for nobody
        for process in self.processes:
            if process.pid is not None and process.exitcode is None:
                os.kill(process.pid, LEAVE)
        super().terminate_all()


def _is_in_terminal() -> bool:
    """There SIGHUP says that the terminal was closed, and nobody would know of a server that went on."""
    return sys.stdin is not None and sys.stdin.isatty()
