"""Faults to plant in a copy of the server. A harness that does not see them is blind: its silence proves nothing."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from scripts.dotvenv import ROOT


@dataclass(frozen=True)
class Plant:
    """A fault: `old`, which must be found exactly once in that file of the package, becomes `new`."""

    what: str
    file: str
    old: str
    new: str
    appended: str = ""

    def put_into(self, folder: Path) -> None:
        """A copy of the package with this fault. Fails when it no longer fits the code, and so would plant nothing."""
        shutil.copytree(ROOT / "authserver", folder / "authserver", ignore=shutil.ignore_patterns("__pycache__"))
        path = folder / "authserver" / self.file
        text = path.read_text()
        if text.count(self.old) != 1:
            raise SystemExit(f"The plant no longer fits {self.file}: {self.old}")
        path.write_text(text.replace(self.old, self.new) + self.appended)


GUARD = Plant(
    "the guard on the generation is taken out of the UPDATE",
    "store/authorizations.py",
    '_GUARD = (table.c.id == bindparam("key"), table.c.generation == bindparam("seen"), _UNREVOKED)',
    '_GUARD = (table.c.id == bindparam("key"), bindparam("seen").is_not(None), _UNREVOKED)',
)
UNREVOKED = Plant(
    "the guard on the revocation is taken out of the UPDATE",
    "store/authorizations.py",
    'table.c.generation == bindparam("seen"), _UNREVOKED)',
    'table.c.generation == bindparam("seen"))',
)
EARLY = Plant(
    "answers leave 20 ms before their commit",
    "oauth/road.py",
    "if await self._commit(decision.change):",
    "if _later(self._commit(decision.change)):",
    """
_tasks = []


def _later(commit):
    import asyncio

    async def late():
        await asyncio.sleep(0.02)
        await commit

    _tasks.append(asyncio.ensure_future(late()))
    return True
""",
)
