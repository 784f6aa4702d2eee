"""Runs uvicorn's processes, and stops and replaces them without losing a request."""

import os
import signal
import socket
from collections.abc import Callable
from types import FrameType

from uvicorn import Config, Server
from uvicorn.supervisors import Multiprocess

from . import sighup
from .draining import DRAIN_SIGNAL

ReloadConfig = Callable[[], Config | None]
"""Reads the settings again. Returns None, after printing why, if the server would not start with them."""


class SingleProcessServer(Server):
    """A server in a single process. While it restarts, new connections wait in the listener's backlog."""

    def __init__(self, config: Config, listener: socket.socket, reload_config: ReloadConfig) -> None:
        super().__init__(config)
        self._listener, self._reload_config = listener, reload_config
        self.next: Config | None = None
        """The configuration for the next start; None to end."""

    async def on_tick(self, counter: int) -> bool:
        """uvicorn calls this every 0.1 s while it serves. A SIGHUP during start or shutdown waits until then."""
        if (
            not self.should_exit
        ):  # otherwise the next server handles it: the settings may have changed since they were read
            sighup.handle_held()
        return await super().on_tick(counter)

    def handle_sighup(self, number: int, frame: object) -> bool:
        """Reload the configuration, in the event loop. Returns whether this server stops in order to restart."""
        if not self.should_exit:
            self.next = self._reload_config()
            self.should_exit = self.next is not None
        return self.should_exit

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._listener.close()  # otherwise clients that connect during shutdown would hang
        self.next = None
        super().handle_exit(sig, frame)


def serve_in_one_process(config: Config, listener: socket.socket, reload_config: ReloadConfig) -> None:
    following: Config | None = config
    while following is not None:
        server = SingleProcessServer(following, listener, reload_config)
        if sighup.is_held():
            signal.signal(signal.SIGHUP, server.handle_sighup)
        server.run(sockets=[listener.dup()])
        following = server.next


class Workers(Multiprocess):
    """Several processes. On SIGHUP `restart_all` replaces them one by one, so that the others keep serving."""

    def __init__(self, config: Config, listener: socket.socket, reload_config: ReloadConfig) -> None:
        super().__init__(config, sockets=[listener])
        if not sighup.is_held():
            signal.signal(signal.SIGHUP, signal.SIG_DFL)
        self._listener, self._reload_config = listener, reload_config

    def handle_signals(self) -> None:
        """uvicorn calls this every 0.5 s. Workers inherit the blocked SIGHUP and never handle it."""
        sighup.handle_held()
        super().handle_signals()

    def restart_all(self) -> None:
        following = self._reload_config()
        if following is not None:
            self.config = following
            super().restart_all()

    def terminate_all(self) -> None:
        self._listener.close()  # otherwise clients that connect during shutdown would hang
        for process in self.processes:
            if process.pid is not None and process.exitcode is None:
                os.kill(process.pid, DRAIN_SIGNAL)
        super().terminate_all()
