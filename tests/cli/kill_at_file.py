"""Runs the authserver command in children that are killed at what they do with files, for the tests.

    python kill_at_file.py ARGUMENT...

For each line "N FOLDER" on stdin it runs the command in FOLDER, with the passphrase on its stdin and SIGKILL to itself
before the N-th time that it opens, links, renames or removes a file there or says something to SQLite; for a negative
N, after the N-th part of a database that is copied. It answers with one line: the exit code, or -9. A child
is a fork of a process that has imported everything.
"""

import os
import signal
import sqlite3
import sys
from collections.abc import Callable
from functools import partial
from itertools import count
from typing import Any

import authserver.app
import authserver.cli.backup
import authserver.cli.restore
import authserver.store.migrations  # noqa: F401
from authserver.backup import database_file
from authserver.cli import main
from authserver.keyring import passphrase
from tests.cli.backups import LINE

TOUCHES = {"open", "os.link", "os.rename", "os.remove", "sqlite3.connect"}


def killer_at(fatal: int) -> Callable[..., Any]:
    steps = count(1)

    def step(*_: object) -> None:
        if next(steps) == fatal:
            os.kill(os.getpid(), signal.SIGKILL)

    return step


def watch_files(fatal: int, folder: str) -> None:
    step, connect = killer_at(fatal), database_file._connect

    def audit(event: str, arguments: tuple[Any, ...]) -> None:
        if event in TOUCHES and folder in str(arguments[0]):
            step()

    def connect_watched(uri: str) -> Any:
        connection = connect(uri)
        connection.set_trace_callback(step)
        return connection

    sys.addaudithook(audit)
    database_file._connect = connect_watched


def watch_pages(fatal: int, folder: str) -> None:
    """Few pages at a time, and no cache, so that SQLite writes to the file long before it commits."""
    step = killer_at(fatal)

    class Slow(sqlite3.Connection):
        def backup(self, target: Any, **options: Any) -> None:
            target.execute("pragma cache_size=1")
            super().backup(target, pages=8, progress=step)

    connect = partial(sqlite3.connect, uri=True, isolation_level=None, factory=Slow)
    database_file._connect = connect


def child(fatal: int, folder: str, arguments: list[str]) -> None:
    os.chdir(folder)
    quiet, (read, write) = os.open(os.devnull, os.O_WRONLY), os.pipe()
    os.write(write, LINE.encode())
    os.close(write)
    for stream, file in ((0, read), (1, quiet), (2, quiet)):
        os.dup2(file, stream)
    (watch_files if fatal > 0 else watch_pages)(abs(fatal), folder)
    main(arguments)


def serve(*arguments: str) -> None:
    passphrase.COST = (1, 64, 1)  # each child has to pay it
    for line in sys.stdin:
        fatal, folder = line.split(maxsplit=1)
        pid = os.fork()
        if not pid:
            child(int(fatal), folder.strip(), list(arguments))
            return
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)


serve(*sys.argv[1:])
