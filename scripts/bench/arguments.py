"""Command-line arguments that are shared by the scripts that start servers."""

import argparse
import importlib.util
import os
import sys
from pathlib import Path

from scripts.dotvenv import PYTHON
from tests.harness.databases import missing

KINDS = ("sqlite", "postgresql")


def use_venv() -> None:
    """Run this script again with .venv's Python if this one lacks the server's dependencies. Exits if there is no
    .venv."""
    if importlib.util.find_spec("authlib") is None:
        if Path(sys.executable) == PYTHON or not PYTHON.exists():
            sys.exit(
                "The server's dependencies are not installed. Run first:\n\n    python3 scripts/quickstart.py test"
            )
        os.execv(PYTHON, [str(PYTHON), *sys.argv])


def add_arguments(parser: argparse.ArgumentParser, *, database: str | None = "sqlite") -> None:
    """Add --database, --nodes and --workers; `nodes_of` returns the number of nodes."""
    hint = f" (default {database})" if database else ""
    parser.add_argument("--database", choices=KINDS, default=database, help=f"what the server runs on{hint}")
    parser.add_argument("--nodes", type=int, help="servers on that database (default 1 on SQLite, 2 on PostgreSQL)")
    parser.add_argument("--workers", type=int, default=1, help="processes of each node (default 1)")


def nodes_of(asked: argparse.Namespace) -> int:
    return int(asked.nodes or (2 if asked.database == "postgresql" else 1))


def is_skipped(kind: str) -> bool:
    """Whether this kind of database is missing; if so, print that it is skipped."""
    why = missing(kind)
    if why:
        print(f"SKIPPED on {kind}: {why}", flush=True)
    return why is not None
