"""The rules of CONTRIBUTING.md that can be counted."""

import ast
import re
import statistics
from collections.abc import Iterator
from pathlib import Path

import pytest

from authserver.domain import links

ROOT = Path(__file__).parents[1]
MOST_LINES, MEDIAN = 50, 8


def functions(source: str) -> Iterator[tuple[str, int]]:
    """The name of each function, and how many lines it has."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, (node.end_lineno or 0) - node.lineno + 1


@pytest.mark.parametrize("folder", ["authserver", "scripts", "tests"])
def test_functions_are_short(folder: str) -> None:
    found = [
        (f"{path.relative_to(ROOT)}: {name}", lines)
        for path in (ROOT / folder).rglob("*.py")
        for name, lines in functions(path.read_text())
    ]
    assert [name for name, lines in found if lines > MOST_LINES] == []
    assert statistics.median(lines for _, lines in found) <= MEDIAN


def test_a_long_function_is_seen() -> None:
    long = "async def long():\n" + "    pass\n" * MOST_LINES
    assert list(functions(f"class A:\n    def short(self): ...\n\n\n{long}")) == [("long", 51), ("short", 1)]


DURATION = re.compile(r"\b(?:\d+|an?|one|five|ten|fifteen|thirty) (?:second|minute|hour|day|week)s?\b", re.IGNORECASE)


def test_pages_and_mails_name_no_duration_of_their_own() -> None:
    """They say what the constant or setting says that decides it."""
    templates = [*(ROOT / "authserver").glob("**/templates/*.html"), *(ROOT / "authserver").glob("**/templates/*.txt")]
    assert len(templates) > 40
    assert [file.name for file in templates if DURATION.search(file.read_text())] == []
    assert DURATION.search("expires after 30 minutes") and DURATION.search("Wait a minute")


@pytest.mark.parametrize("page", ["how-to/sign-up-and-recovery.md", "explanation/security-model.md"])
def test_the_documentation_says_how_long_a_link_works(page: str) -> None:
    assert f"{links.MINUTES} minutes" in " ".join((ROOT / "docs" / page).read_text().split())
