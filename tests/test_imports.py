"""Imports between tests and scripts go one way: scripts use tests/harness, and few tests use scripts."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAY_USE_SCRIPTS = ("tests/bench/", "tests/scripts/", "tests/openid/test_fuzz_authorize.py")


def imported(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def imports_of(folder: str) -> Iterator[tuple[str, str]]:
    """The path of each Python file below that folder, with each name that it imports from this project."""
    for path in sorted((ROOT / folder).rglob("*.py")):
        for name in imported(path.read_text()):
            if name.split(".")[0] in ("tests", "scripts", "authserver"):
                yield str(path.relative_to(ROOT)), name


def breaks_the_rules(path: str, name: str) -> bool:
    if path.startswith("tests/harness/"):
        return name.startswith(("tests.", "scripts.")) and not name.startswith("tests.harness")
    if path.startswith("scripts/"):
        return name.startswith("tests.") and not name.startswith("tests.harness")
    if path.startswith("authserver/"):
        return name.startswith(("tests.", "scripts."))
    return name.startswith("scripts.") and not path.startswith(MAY_USE_SCRIPTS)


@pytest.mark.parametrize("folder", ["authserver", "scripts", "tests"])
def test_every_import_goes_the_right_way(folder: str) -> None:
    found = list(imports_of(folder))
    assert found
    assert [each for each in found if breaks_the_rules(*each)] == []


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("tests/harness/live.py", "from tests.web.serving import LocalServer"),
        ("tests/harness/live.py", "from scripts.bench import busy"),
        ("tests/web/serving.py", "import scripts.bench.arguments"),
        ("scripts/bench/speed/tokens.py", "from tests import conftest"),
        ("authserver/app.py", "from tests.harness import live"),
    ],
)
def test_an_import_of_the_wrong_kind_is_found(path: str, source: str) -> None:
    assert [name for name in imported(source) if breaks_the_rules(path, name)]
