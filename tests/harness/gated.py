"""The server as `authserver serve` runs it, but one kind of change waits with its commit until a bench opens a gate.

    python -P gated.py FOLDER CHANGE serve --port N

CHANGE names the store's function that applies it, such as _rotate_many. Each change that waits creates a file in
FOLDER; they continue when there is a file `open`. So a fault that depends on timing occurs reliably, on any machine.
"""

import asyncio
import sys
from pathlib import Path
from typing import Any
from uuid import uuid4

_OPEN = "open"
_LOOK = 0.01  # seconds


class Gate:
    """The bench's side of the gate."""

    def __init__(self, folder: Path, change: str) -> None:
        folder.mkdir()
        self.program = ("-P", __file__, str(folder), change)
        self._folder = folder

    async def is_reached_by(self, many: int) -> None:
        """Wait until this many changes have arrived, in all servers together."""
        while len(list(self._folder.iterdir())) < many:  # noqa: ASYNC110  # no event crosses processes
            await asyncio.sleep(_LOOK)

    def open(self) -> None:
        (self._folder / _OPEN).touch()


def install(folder: Path, held: str) -> None:
    from authserver.store.database import Database

    write = Database.write

    async def gated(self: Database, change: Any) -> bool:
        if change.apply.__name__ == held:
            (folder / uuid4().hex).touch()
            while not (folder / _OPEN).exists():  # noqa: ASYNC110
                await asyncio.sleep(_LOOK)
        return await write(self, change)

    Database.write = gated  # type: ignore[method-assign]


if __name__ in ("__main__", "__mp_main__"):  # the first process, and its workers
    install(Path(sys.argv[1]), sys.argv[2])
    if __name__ != "__mp_main__":
        from authserver.cli import main

        main(sys.argv[3:])
