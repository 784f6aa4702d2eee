"""The tests' own PostgreSQL server: quick, for its commits are not fsynced."""

import os
import shutil
from pathlib import Path

from scripts.bench.postgres import NOT_INSTALLED, Postgres, binaries

__all__ = ["NOT_INSTALLED", "Postgres", "binaries", "volatile"]

# A COMMIT under synchronous_commit=on waits for a standby that does not exist, already durable here: a test can end
# its connection there. A deadlock is looked for at once.
_SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "synchronous_standby_names": "nobody",
    "deadlock_timeout": "20ms",
    "autovacuum": "off",
    "jit": "off",
    "max_connections": "60",
    "shared_buffers": "16MB",
}


def volatile(programs: Path) -> Postgres:
    return Postgres(programs, _SETTINGS, within=_in_memory())


def _in_memory() -> Path | None:
    """Where a new database takes a twentieth of the time; None is the usual place."""
    memory = Path("/dev/shm")
    room = memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free
    return memory if room and room > 2**29 else None
