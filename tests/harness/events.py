"""The table of docs/reference/events.md, and every event that the source can log."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[2]
LEVELS = ("debug", "info", "warning", "error", "critical", "exception")
OF_STRUCTLOG = {"event", "log_level", "exc_info"}


class Row(NamedTuple):
    levels: frozenset[str]
    fields: frozenset[str]


@cache
def documented() -> dict[str, Row]:
    page = (ROOT / "docs" / "reference" / "events.md").read_text()
    table = re.findall(r"^\| `(\w+)` \| ([\w, ]+) \| (`.+?`) \| .+ \| .+ \|$", page, re.MULTILINE)
    return {
        name: Row(frozenset(levels.split(", ")), frozenset(re.findall(r"`(\w+)`", fields)))
        for name, levels, fields in table
    }


def logged_by(source: str) -> Iterator[tuple[str, str, set[str]]]:
    """Yield the name, level and fields of each `log.info("name", field=...)` and `Event("name", "level")`."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call) or not node.args:
            continue
        first, *others = (argument.value if isinstance(argument, ast.Constant) else None for argument in node.args)
        match node.func:
            case ast.Attribute(value=ast.Name(id="log"), attr=level) if level in LEVELS:
                assert first, f"{ast.unparse(node)}: the name of an event is a literal, so that it can be found"
                fields = {keyword.arg for keyword in node.keywords if keyword.arg}
                yield first, "error" if level == "exception" else level, fields  # type: ignore[misc]
            case ast.Name(id="Event"):
                yield str(first), str(others[0]) if others else "info", set()
            case _:
                pass


@cache
def in_source() -> dict[str, Row]:
    found: dict[str, Row] = {}
    for path in sorted((ROOT / "authserver").glob("**/*.py")):
        if not {"resource", "domain"} & set(path.parts):  # the guard logs in somebody else's program
            for name, level, fields in logged_by(path.read_text()):
                before = found.get(name, Row(frozenset(), frozenset()))
                found[name] = Row(before.levels | {level}, before.fields | fields)
    return found


def reasons() -> Iterator[str]:
    """How each reason of a refused request begins, as far as the source says it in words that are not a sentence."""
    for path in sorted(
        path for folder in ("accounts", "oauth") for path in (ROOT / "authserver" / folder).rglob("*.py")
    ):
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Call(func=ast.Name(id="Refusal"), args=[_, reason, *_]):
                    yield from _beginnings(reason)
                case ast.FunctionDef(name=name) if name.lstrip("_").startswith("why_"):
                    returned = [each.value for each in ast.walk(node) if isinstance(each, ast.Return) and each.value]
                    yield from (each for value in returned for each in _beginnings(value))


def _beginnings(expression: ast.expr) -> Iterator[str]:
    texts = [node.value for node in ast.walk(expression) if isinstance(node, ast.Constant)]
    yield from (text for text in texts if isinstance(text, str) and text[:1].islower() and " " in text.strip())


def assert_documented(entries: list[Any]) -> None:
    """Check that each event that structlog's capture_logs has captured is documented."""
    rows = documented()
    for entry in entries:
        row = rows[entry["event"]]
        level = "error" if entry["log_level"] == "exception" else entry["log_level"]
        assert level in row.levels, entry
        assert entry.keys() - OF_STRUCTLOG <= row.fields, entry
