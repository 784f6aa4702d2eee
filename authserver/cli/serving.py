"""uvicorn's processes: how they end and are replaced without losing a request."""

import os
import signal
import socket
from collections.abc import Callable
from types import FrameType

from uvicorn import Config, Server
from uvicorn.supervisors import Multiprocess

from ..web.draining import LEAVE
from . import sighup

ReadAgain = Callable[[], Config | None]
"""By the settings as they are now; None, having said why, where they would not do."""


class Alone(Server):
    """The only process. When it is to start again, whoever connects meanwhile waits in the listener."""

    def __init__(self, config: Config, listener: socket.socket, read_again: ReadAgain) -> None:
        super().__init__(config)
        self._listener, self._read_again = listener, read_again
        self.next: Config | None = None
        """What to start again with; None is the end."""

    async def on_tick(self, counter: int) -> bool:
        """uvicorn calls this every 0.1 s while it serves: what comes while it starts or stops waits until then."""
        if not self.should_exit:  # else it may be about settings that changed since they were read: for the next server
            sighup.handle_held()
        return await super().on_tick(counter)

    def hang_up(self, number: int, frame: object) -> bool:
        """Handles SIGHUP, from the event loop. Whether it ends."""
        if not self.should_exit:
            self.next = self._read_again()
            self.should_exit = self.next is not None
        return self.should_exit

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._listener.close()  # else whoever connects while it finishes waits for nobody
        self.next = None
        super().handle_exit(sig, frame)


def serve_alone(config: Config, listener: socket.socket, read_again: ReadAgain) -> None:
    following: Config | None = config
    while following is not None:
        server = Alone(following, listener, read_again)
        if sighup.is_held():
            signal.signal(signal.SIGHUP, server.hang_up)
        server.run(sockets=[listener.dup()])
        following = server.next


class Workers(Multiprocess):
    """On SIGHUP, which `restart_all` handles, they are replaced one by one; so none is missing."""

    def __init__(self, config: Config, listener: socket.socket, read_again: ReadAgain) -> None:
        super().__init__(config, sockets=[listener])
        if not sighup.is_held():
            signal.signal(signal.SIGHUP, signal.SIG_DFL)
        self._listener, self._read_again = listener, read_again

    def handle_signals(self) -> None:
        """uvicorn calls this every 0.5 s. Workers, which inherit it, never handle SIGHUP: this replaces them."""
        sighup.handle_held()
        super().handle_signals()

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
