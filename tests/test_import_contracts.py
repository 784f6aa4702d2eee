"""Each import contract of pyproject.toml catches a violation, which is planted in a copy of the tree."""

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
Lint = Callable[[], set[str]]
PLANTS = [
    ("store/pruning.py", "import asyncio", {"asyncio"}),
    ("keyring/jwt.py", "import asyncio", {"asyncio"}),
    ("pool.py", "from . import settings", {"settings"}),
    ("pool.py", "import sqlalchemy", {"SQLAlchemy"}),
    ("app.py", "import alembic", {"SQLAlchemy"}),
    ("logs.py", "import starlette", {"Starlette"}),
    ("resource/cache.py", "import starlette", {"Starlette"}),
    ("web/replies.py", "import jinja2", {"Jinja"}),
    ("mail/templates.py", "import jinja2", {"Jinja"}),
    ("mail/folder.py", "import socket", {"outgoing HTTP"}),
    ("outbox/sender.py", "import asyncio", {"asyncio"}),
    ("outbox/sender.py", "from ..mail import folder", {"layers"}),
    ("observability/recorder.py", "import prometheus_client", {"Prometheus"}),
    ("observability/recorder.py", "import opentelemetry", {"OpenTelemetry"}),
    ("pipeline/event.py", "from ..observability import metrics", {"layers"}),
    ("logs.py", "from . import app", {"layers"}),
    ("testing/instance.py", "from ..cli import init", {"layers"}),
    ("store/users.py", "from ..oauth import request", {"layers"}),
    ("settings/values.py", "import authlib", {"Authlib"}),
    ("oauth/request.py", "import authlib", {"Authlib"}),
    ("settings/values.py", "from .. import app", {"layers"}),
    ("resource/cache.py", "from .. import logs", {"layers"}),
    ("resource/cache.py", "from .. import pool", {"layers"}),
    ("resource/cache.py", "import pydantic", {"guard"}),
    ("domain/scopes.py", "from ..resource import strict_json", {"layers", "guard in the server"}),
    ("store/users.py", "from ..resource import strict_json", {"guard in the server"}),
    ("keyring/jwt.py", "from ..resource import strict_json", {"guard in the server"}),
    ("keyring/key_store.py", "from .lifecycle import refresh_keys", {"keys at work"}),
    ("domain/scopes.py", "from .. import logs", {"layers"}),
    ("domain/scopes.py", "import os", {"domain"}),
    ("store/users.py", "import socket", {"outgoing HTTP"}),
    ("pool.py", "from http.client import HTTPSConnection", {"outgoing HTTP"}),
    ("store/users.py", "from .. import fetch", {"layers"}),
    ("provisioning.py", "import click", {"click"}),
    ("keyring/newcomer.py", "import json", {"keys at work"}),
    ("oauth/grants/password.py", "from . import refresh_token", {"grants"}),
    ("oauth/logout/logout.py", "from ..device import user_code", {"flows"}),
    ("web/health.py", "from .. import resource", set()),
    ("newcomer.py", "import json", {"layers"}),
]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tree")
    shutil.copytree(ROOT / "authserver", folder / "authserver", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


@pytest.fixture(scope="module")
def lint(tree: Path) -> Lint:
    """`lint()`: the names of the contracts that are broken in the copy."""
    command: list[str | Path] = [
        Path(sys.executable).with_name("lint-imports"),
        "--no-logo",
        "--cache-dir",
        tree / "cache",
    ]

    def lint() -> set[str]:
        # From the copy: the working folder comes first in the path, before the installed package.
        done = subprocess.run(command, cwd=tree, capture_output=True, text=True, timeout=300)
        results = dict(re.findall(r"^(.+) (KEPT|BROKEN)$", done.stdout, re.MULTILINE))
        assert set(results) == {contract["name"] for contract in CONTRACTS}, done.stdout + done.stderr
        return {name for name, result in results.items() if result == "BROKEN"}

    return lint


@pytest.fixture
def plant(tree: Path) -> Iterator[Callable[[str, str], None]]:
    """`plant("pool.py", "import sqlalchemy")` appends that line, until the end of the test."""
    before: dict[Path, str | None] = {}

    def plant(path: str, line: str) -> None:
        file = tree / "authserver" / path
        before[file] = file.read_text() if file.exists() else None
        file.write_text(f"{before[file] or ''}\n{line}\n")

    yield plant
    for file, text in before.items():
        if text is None:
            file.unlink()
        else:
            file.write_text(text)


def test_the_copy_breaks_no_contract(lint: Lint) -> None:
    assert lint() == set()


@pytest.mark.parametrize(("path", "line", "broken"), PLANTS)
def test_a_planted_import_breaks_its_contract_and_no_other(
    lint: Lint, plant: Callable[[str, str], None], path: str, line: str, broken: set[str]
) -> None:
    plant(path, line)
    assert lint() == broken


def test_every_contract_has_a_plant_of_its_own() -> None:
    assert {contract["name"] for contract in CONTRACTS} <= {name for _, _, broken in PLANTS for name in broken}


def test_the_pure_layers_may_import_no_package_that_the_server_uses() -> None:
    """The lists of "domain" and "guard" name packages: a new dependency must be added there."""
    imported = {
        name.partition(".")[0]
        for path in (ROOT / "authserver").rglob("*.py")
        if "resource" not in path.relative_to(ROOT).parts
        for name in absolute_imports(path.read_text())
    } - {"authserver", "pytest", *sys.stdlib_module_names}
    (domain, guard) = (contract for contract in CONTRACTS if contract["name"] in ("domain", "guard"))
    assert imported <= set(domain["forbidden_modules"])
    assert imported - {"joserfc", "starlette"} <= set(guard["forbidden_modules"])  # has a contract of its own


def absolute_imports(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
