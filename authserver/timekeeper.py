"""Keeps the server's clock: follows the database's clock, logs steps, and records the offset for later processes.

A process that starts after a step has not seen it. So the offset between wall clock and steady clock is written to the
database when a process starts and whenever it changes. A process that starts later, in the same boot, compares its own.
What happened before the machine started cannot be known.
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
        """Whether the clock is the database's, not this machine's."""
        self._written: int | None = None
        """The offset that is in the database; None if there is none yet."""

    def begin(self) -> None:
        """Follow the database's clock, if it has one, and load earlier steps of this one. Raises Unavailable."""
        with self._database.begin() as connection:
            self._follows = database_clock.follow(connection, self._clock)
            if self._boot:
                self._clock.resume(database_clock.load(connection, self._boot))
                self._written = self._offset()
                database_clock.write(connection, self._boot, self._clock.timeline().stretches, self._clock())

    async def follow(self) -> None:
        """Read the clock that is followed. Raises Unavailable."""
        if not self._follows:
            return
        asked_at = self._clock.steady()
        reading = await self._database.load(database_clock.read_many, None)
        if reading is not None:
            self._clock.follow(asked_at, reading, self._clock.steady())

    async def look(self) -> None:
        """Log the steps of the clock, and record a changed offset. Raises Unavailable."""
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
