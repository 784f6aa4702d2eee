"""Runs a script in children that are killed at their N-th step, for the tests: nothing of it is in the product.

    python kill_at_step.py SCRIPT|MODULE ARGUMENT...

For each line "N FOLDER" on stdin it runs SCRIPT in FOLDER, with SIGKILL to itself at the N-th step, and answers with
one line: the exit code, or -9. A step ends before each BEGIN, each statement that writes, each COMMIT and each output:
between two of them nothing happens that could leave a trace. A child is a fork of a process that has imported
everything and made some keys, for both cost most of a second.
"""

import os
import runpy
import signal
import sys
from itertools import count
from typing import Any

import click
from sqlalchemy import Engine, event

import authserver.app
import authserver.cli.keys  # noqa: F401
from authserver.keyring import database_keys


def install(fatal: int) -> None:
    steps = count(1)

    def step(*_: object) -> None:
        if next(steps) == fatal:
            os.kill(os.getpid(), signal.SIGKILL)

    def write(connection: object, cursor: object, statement: str, *_: object) -> None:
        if not statement.lstrip().upper().startswith(("SELECT", "PRAGMA")):
            step()

    event.listen(Engine, "before_cursor_execute", write)
    event.listen(Engine, "commit", step)
    say = click.echo

    def echo(*arguments: Any, **options: Any) -> None:
        step()
        say(*arguments, **options)

    click.echo = echo


def child(fatal: int, folder: str, script: str, arguments: list[str]) -> None:
    os.chdir(folder)
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    install(fatal)
    sys.argv = [script, *arguments]
    sys.path.insert(0, os.path.dirname(script))
    run = runpy.run_path if script.endswith(".py") else runpy.run_module
    run(script, run_name="__main__")


def main(script: str, *arguments: str) -> None:
    made = [database_keys.generate("RS256") for _ in range(3)]  # type: ignore[attr-defined]
    database_keys.generate = lambda alg: made.pop()  # type: ignore[attr-defined]
    for line in sys.stdin:
        fatal, folder = line.split(maxsplit=1)
        pid = os.fork()
        if not pid:
            child(int(fatal), folder.strip(), script, list(arguments))
            return
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)


main(*sys.argv[1:])
