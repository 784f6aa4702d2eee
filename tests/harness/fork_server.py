"""Runs the authserver command in forks of a process that has imported everything, in a tenth of the time that a new
interpreter takes.

    python fork_server.py SOCKET

A request is a message of JSON, {"arguments", "folder", "environment", "installed"}, with descriptors for the three
standard streams. `installed` asks for the command as pip installs it, not for `python -m authserver`.
It is answered with the process's id and, when the process has ended, with its exit code as `Popen.returncode` has it.
If the caller hangs up, the process is killed. When stdin ends, all are.
"""

import gc
import importlib
import json
import os
import pkgutil
import runpy
import select
import signal
import socket
import sys
import time
from typing import Any

_IMPORTED = ("alembic.command", "authserver.app", "uvicorn.protocols.http.httptools_impl")
_MAX_REQUEST = 1 << 18  # bytes


def import_everything() -> None:
    import authserver.cli

    commands = (module.name for module in pkgutil.walk_packages(authserver.cli.__path__, "authserver.cli."))
    for name in (*_IMPORTED, *commands):
        importlib.import_module(name)
    gc.freeze()  # forks share the memory for longer


def serve(path: str) -> dict[str, Any]:
    """Serve until stdin ends. Returns only in a process that was asked for, with its request."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(f"{path}.new")
    listener.listen(64)
    os.rename(f"{path}.new", path)  # whoever sees it can connect
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for attendants
    while sys.stdin not in select.select([listener, sys.stdin], [], [])[0]:
        connection, _ = listener.accept()
        if not os.fork():
            return attend(connection)
        connection.close()
    os.killpg(0, signal.SIGKILL)
    raise AssertionError


def attend(connection: socket.socket) -> dict[str, Any]:
    """Fork the process, and tell the caller what becomes of it. Returns only in the process."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    request, streams, _, _ = socket.recv_fds(connection, _MAX_REQUEST, 3)
    pid = os.fork()
    if not pid:
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
        os.closerange(3, 1024)
        asked: dict[str, Any] = json.loads(request)
        return asked
    connection.send(b"%d" % pid)
    for stream in streams:
        os.close(stream)
    has_ended = os.pidfd_open(pid)
    if has_ended not in select.select([connection.fileno(), has_ended], [], [])[0]:
        os.kill(pid, signal.SIGKILL)
    connection.send(b"%d" % os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    os._exit(0)


def become(request: dict[str, Any]) -> None:
    """Change this process into what a new one would be."""
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    time.tzset()
    sys.path[0] = request["folder"]
    sys.argv = ["authserver", *request["arguments"]]


if __name__ == "__main__":
    import_everything()
    request = serve(sys.argv[1])
    become(request)
    # Not in a function of `serve`'s: what ends the command is to end this process as it ends any other.
    if request["installed"]:
        from authserver.__main__ import main

        main()
    else:
        runpy.run_module("authserver", run_name="__main__", alter_sys=True)
