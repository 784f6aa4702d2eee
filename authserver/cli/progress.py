"""Progress of long commands: one line on stderr that is overwritten. Without a terminal, nothing is printed."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

import click

from .. import system
from ..domain.models import SECOND

_PAUSE = SECOND // 5
"""Microseconds between two updates of the line."""


class ProgressLine:
    def __init__(self) -> None:
        self._width, self._shown_at, self._step, self._began = 0, 0, "", system.now()
        self.visible = sys.stderr.isatty()

    def step(self, words: str) -> None:
        """Show this as what is being done now."""
        self._step = words
        self.tick()

    def count(self, what: str, done: int, total: int) -> None:
        self._step = f"{what}: {done:,} of {total:,}"
        if done == total or system.now() - self._shown_at > _PAUSE:
            self.tick()

    def tick(self) -> None:
        if self.visible:
            line = f"{self._step} ({(system.now() - self._began) // SECOND} s)"
            click.echo(f"\r{line.ljust(self._width)}", nl=False, err=True)
            self._width, self._shown_at = len(line), system.now()

    def clear(self) -> None:
        if self._width:
            click.echo(f"\r{' ' * self._width}\r", nl=False, err=True)
            self._width = 0


@contextmanager
def progress(words: str) -> Iterator[ProgressLine]:
    """A line that counts the seconds of work whose progress is not known."""
    display, ended = ProgressLine(), Event()
    display.step(words)

    def count_seconds() -> None:
        while not ended.wait(1):
            display.tick()

    thread = Thread(target=count_seconds, daemon=True)
    if display.visible:
        thread.start()
    try:
        yield display
    finally:
        ended.set()
        if thread.is_alive():
            thread.join()
        display.clear()
