"""Keeps the server's clock: follows the database's, tells of steps, and leaves to the next process what this one knows.

A process that starts after a step has not seen it. So the distance between wall clock and steady clock is written down
when a process starts, and again whenever it has changed: who starts later in the same boot of this machine compares.
What happened before the machine was started nobody can know.
"""

from typing import Any

import structlog

from . import system
from .clock import Clock
from .domain.models import SECOND
from .domain.timeline import DRIFT
from .store import clock as database_clock
from .store.database import Database

log: Any = structlog.get_logger("authserver")


class Timekeeper:
    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock, self._boot = database, clock, system.boot()
        self._follows = False
        """The database's clock, not this machine's."""
        self._written: int | None = None
        """The offset that the database knows; None while nothing is written down."""

    def begin(self) -> None:
        """Take over the database's clock, if it has one, and what is known here of the time before. Raises
        Unavailable."""
        with self._database.begin() as connection:
            self._follows = database_clock.follow(connection, self._clock)
            if self._boot:
                self._clock.resume(database_clock.load(connection, self._boot))
                self._written = self._offset()
                database_clock.write(connection, self._boot, self._clock.timeline().stretches, self._clock())

    async def follow(self) -> None:
        """What the clock that is followed shows now. Raises Unavailable."""
        if not self._follows:
            return
        asked_at = self._clock.steady()
        shown = await self._database.load(database_clock.read_many, None)
        if shown is not None:
            self._clock.follow(asked_at, shown, self._clock.steady())

    async def look(self) -> None:
        """Raises Unavailable."""
        self._clock()
        for step in self._clock.steps():
            direction = "forward" if step > 0 else "back"
            log.warning("clock_stepped", direction=direction, seconds=round(abs(step) / SECOND, 3))
        offset = self._offset()
        if self._written is not None and abs(offset - self._written) > DRIFT:
            stretches = self._clock.timeline().stretches
            await self._database.write(database_clock.remember(self._boot, stretches))
            self._written = offset

    def _offset(self) -> int:
        return self._clock.timeline().stretches[-1].offset
