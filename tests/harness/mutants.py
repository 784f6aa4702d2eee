"""Faults to plant in a copy of the server. A harness that does not detect them proves nothing."""

import shutil
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import cache_from_source
from pathlib import Path

_PACKAGE = Path(__file__).parents[2] / "authserver"
_TRIES = 10


@dataclass(frozen=True)
class Mutant:
    """A fault: `old`, which must occur exactly once in that file of the package, becomes `new`."""

    what: str
    file: str
    old: str
    new: str
    appended: str = ""

    def put_into(self, folder: Path) -> None:
        """Create a copy of the package with this fault. Fails if the fault no longer fits the code."""
        _copy_package(folder / "authserver")
        path = folder / "authserver" / self.file
        text = path.read_text()
        if text.count(self.old) != 1:
            raise SystemExit(f"The plant no longer fits {self.file}: {self.old}")
        path.write_text(text.replace(self.old, self.new) + self.appended)
        Path(cache_from_source(str(path))).unlink(missing_ok=True)


def _copy_package(target: Path) -> None:
    """Copy the package as it is at one moment: files may be saved at the same time. Its bytecode is copied, too: to
    compile everything again takes longer than to start a server."""
    for _ in range(_TRIES):
        with suppress(OSError):  # a file that an editor made and took away again
            before = _state()
            shutil.copytree(_PACKAGE, target, ignore=shutil.ignore_patterns("*.pyc.*"))  # those are being written
            if _state() == before:
                return
        shutil.rmtree(target, ignore_errors=True)
    raise SystemExit(f"{_PACKAGE} changes too fast to be copied.")


def _state() -> set[tuple[Path, int]]:
    return {(path, path.stat().st_mtime_ns) for path in _PACKAGE.rglob("*.py")}


GUARD = Mutant(
    "the guard on the generation is taken out of the UPDATE",
    "store/authorizations.py",
    '_GUARD = (table.c.id == bindparam("key"), table.c.generation == bindparam("seen"), _UNREVOKED)',
    '_GUARD = (table.c.id == bindparam("key"), bindparam("seen").is_not(None), _UNREVOKED)',
)
UNREVOKED = Mutant(
    "the guard on the revocation is taken out of the UPDATE",
    "store/authorizations.py",
    'table.c.generation == bindparam("seen"), _UNREVOKED)',
    'table.c.generation == bindparam("seen"))',
)
EARLY = Mutant(
    "answers leave 20 ms before their commit",
    "pipeline/pipeline.py",
    "await self._commit(handler, decision.change, decision.events)",
    "_later(self._commit(handler, decision.change, decision.events))",
    """
_tasks = []


def _later(commit):
    import asyncio
    import contextlib

    async def late():
        await asyncio.sleep(0.02)
        with contextlib.suppress(Exception):  # nobody is left to hear of it
            await commit

    _tasks.append(asyncio.ensure_future(late()))
""",
)

NAIVE = Mutant(
    "refresh reads, saves what it read, and so revokes the old token: the database is asked for no guard",
    "store/authorizations.py",
    "def _rotate_many(",
    "def _guarded_rotate_many(",
    """

_SAVE = (
    update(table)
    .where(table.c.id == bindparam("key"))
    .values(
        generation=bindparam("next"),
        rotated_at=bindparam("at"),
        rotated_from=bindparam("from"),
        revoked_at=bindparam("none"),
        revoked_reason=bindparam("none"),
    )
)


def _rotate_many(connection, advances, now):
    for advance in advances:  # each as it was when the pipeline loaded it and judged that it may be rotated
        row = {"key": advance.id, "next": advance.next, "at": now, "from": advance.network, "none": None}
        connection.execute(_SAVE, row)
    return [True] * len(advances)
""",
)
VERSION = Mutant(
    "a login by an old password is not told from one by the new",
    "domain/rotation.py",
    " and user.credential_version == authorization.credential_version",
    "",
)
AFTERWARDS = Mutant(
    "events are written 2 s after the commit of their change, in a transaction of their own",
    "store/group_commit.py",
    "        _record(connection, [change for run in runs for change in run], outcomes, began_at)\n",
    "        _late.append((connection.engine, [change for run in runs for change in run], outcomes, began_at))\n",
    """
_late = []


def _write_late():
    import time

    while True:
        time.sleep(2)
        while _late:
            engine, *record = _late.pop(0)
            with engine.begin() as connection:
                _record(connection, *record)


import threading

threading.Thread(target=_write_late, daemon=True).start()
""",
)
