"""What is not documented fails here: settings, commands, scripts, events; and the version is one everywhere. Routes and
grants: tests/contract/."""

import re
import shlex
import tomllib
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import click
import pytest

from authserver import __version__
from authserver.cli import _EXIT_CODES as EXIT_CODES
from authserver.cli import main
from authserver.domain.audit import FAILURE, OTHER_EVENTS, REQUEST_EVENTS, SUCCESS
from authserver.domain.end_reason import REVOKED as END_REASONS
from authserver.settings import Settings
from tests.contract.document import document
from tests.harness.events import documented, in_source, logged_by, reasons

ROOT = Path(__file__).parents[1]
PAGES = {
    str(file.relative_to(ROOT)): file.read_text()
    for file in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("**/*.md"))
}
MEASUREMENTS = (ROOT / "scripts" / "bench" / "README.md").read_text()
STARTED_BY_TOKENS = "timed_server.py"


def test_every_setting_is_in_its_table_with_its_default_and_its_help_and_no_other() -> None:
    page = PAGES["docs/reference/settings.md"]
    assert re.findall(r"^\| `(AUTHSERVER_\w+)`", page, re.MULTILINE) == [
        row["variable"] for row in Settings().describe()
    ]
    for row in Settings().describe():
        shown = "" if row["default"] is None else f"`{row['default']}`"
        meaning = row["help"][0].upper() + row["help"][1:]
        assert f"| `{row['variable']}` | {shown} | {meaning}. " in page, row["variable"]


def commands(group: click.Group = main, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), name)
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name)


def test_every_command_has_a_row_and_a_heading_and_no_other() -> None:
    page = PAGES["docs/reference/command-line.md"]
    expected = [" ".join(("authserver", *path)) for path in commands()]
    assert sorted(re.findall(r"^\| \[`(authserver [^`]+)`\]", page, re.MULTILINE)) == sorted(expected)
    assert sorted(re.findall(r"^## (authserver .+)$", page, re.MULTILINE)) == sorted(expected)


def test_every_exit_code_is_in_its_table() -> None:
    page = PAGES["docs/reference/exit-codes.md"]
    codes = {int(code) for code in re.findall(r"^\| (\d+) \|", page, re.MULTILINE)}
    assert codes == {0, 1, click.UsageError.exit_code, *EXIT_CODES.values()}


PLACEHOLDER = re.compile(r"<[a-z-]+>")
TYPED = re.compile(r"^(?:\$ | {4})?authserver ([a-z][^`\n]*(?:(?<=\\)\n[^`\n]*)*)$", re.MULTILINE)


def typed() -> Iterator[tuple[str, list[str]]]:
    """Page and arguments of every command on a line of its own, in README.md, CONTRIBUTING.md and docs/."""
    for name, page in PAGES.items():
        for line in TYPED.findall(re.sub(r"```text\n.*?```", "", page, flags=re.DOTALL)):
            yield (
                name,
                shlex.split(re.split(r" (?:[<&|]|\d?>)", PLACEHOLDER.sub("placeholder", line.replace("\\\n", " ")))[0]),
            )


def test_every_command_on_a_page_can_be_typed() -> None:
    found = list(typed())
    assert len(found) > 25 and {"users-and-authorizations.md", "clients.md", "postgresql.md"} <= {
        Path(name).name for name, _ in found
    }
    for name, words in found:
        try:
            parse(main, words)
        except click.UsageError as error:
            if "does not exist" in error.message:  # a file that the reader has by then
                continue
            pytest.fail(f"{name}: authserver {shlex.join(words)}: {error.format_message()}")


def parse(command: click.Command, words: list[str]) -> None:
    """As click does before it calls the command, and the command of a group too."""
    if isinstance(command, click.Group):
        name, below, rest = command.resolve_command(click.Context(command), words)
        assert below, name
        parse(below, rest)
    else:
        # Below `main`, whose -h it inherits: click keeps the option of the first context that a command ever has.
        command.make_context(command.name, list(words), parent=click.Context(main, **main.context_settings))


def test_every_script_is_named() -> None:
    """Those that people run; what these import or start need not be."""
    scripts = [file for file in (ROOT / "scripts").glob("**/*.py") if '__name__ == "__main__"' in file.read_text()]
    names = {str(file.relative_to(ROOT)): file.name for file in scripts if file.name != STARTED_BY_TOKENS}
    assert len(names) > 3
    assert STARTED_BY_TOKENS in (ROOT / "scripts" / "bench" / "speed" / "targets.py").read_text()
    pages = "\n".join((*PAGES.values(), MEASUREMENTS))
    assert [path for path, name in names.items() if path not in pages and f"`{name}`" not in pages] == []


def test_every_answer_that_is_refused_everywhere_is_described() -> None:
    """A dependency that is down is no surprise to whoever reads the description."""
    for path in ("/token", "/revoke", "/introspect"):
        assert {"200", "400", "401", "503"} <= document()["paths"][path]["post"]["responses"].keys(), path


def test_the_version_is_one() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    source = project["tool"]["hatch"]["version"]["path"]
    stated = re.search(r'^__version__ = "(.+)"$', (ROOT / source).read_text(), re.MULTILINE)
    assert stated and stated[1] == __version__
    newest = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest and newest[1] == __version__ == document()["info"]["version"] == version("authserver")


def test_every_event_is_in_the_table_with_its_levels_and_the_reverse() -> None:
    found, table = in_source(), documented()
    assert len(found) > 10
    assert {name: row.levels for name, row in found.items()} == {name: row.levels for name, row in table.items()}


def test_every_audited_event_is_in_the_table_of_the_audit_trail_with_its_result_and_no_other() -> None:
    section = PAGES["docs/reference/events.md"].partition("## The audit trail")[2].partition("\n## ")[0]
    documented = dict(re.findall(r"^\| `(\w+)` \| (success|failure) \|", section, re.MULTILINE))
    others = {name: FAILURE if name == "message_given_up" else SUCCESS for name in OTHER_EVENTS}
    assert documented == {name: audited.result for name, audited in REQUEST_EVENTS.items()} | others


def test_the_events_that_change_nothing_are_named_where_the_page_says_that_they_are_counted() -> None:
    sentence = re.search(r"^Events that change nothing \((.+?)\)", PAGES["docs/reference/events.md"], re.M | re.S)
    assert sentence and set(re.findall(r"`(\w+)`", sentence[1])) == {
        name for name, audited in REQUEST_EVENTS.items() if not audited.tells_of_change
    }


def test_every_audited_event_is_recorded_somewhere_and_those_of_requests_are_in_the_log_too() -> None:
    source = "\n".join(path.read_text() for path in (ROOT / "authserver").glob("**/*.py") if path.name != "audit.py")
    assert [name for name in OTHER_EVENTS if f'"{name}"' not in source] == []
    assert REQUEST_EVENTS.keys() <= in_source().keys()


def test_every_field_of_an_event_is_in_the_table() -> None:
    """As far as they stand in the call; tests/web/conftest.py looks at what is really logged."""
    table = documented()
    assert {name: row.fields - table[name].fields for name, row in in_source().items()} == {
        name: frozenset() for name in table
    }


def test_every_reason_of_a_refused_request_is_in_the_table() -> None:
    found = [*reasons(), *END_REASONS.values()]
    assert len(found) > 25 and {"forged refresh token", "client not registered for "} < set(found)
    page = PAGES["docs/reference/events.md"]
    assert [reason for reason in found if f"`{reason.rstrip()}" not in page] == []


def test_every_reason_of_the_guard_that_a_page_explains_is_one() -> None:
    page = PAGES["docs/how-to/debug-a-refused-token.md"].partition("## Ask the guard")[2]
    explained = re.findall(r"^\| `([^`]+)` \|", page, re.MULTILINE)
    source = "\n".join(file.read_text() for file in (ROOT / "authserver" / "resource").glob("*.py"))
    assert len(explained) > 8
    assert [reason for reason in explained if f'"{reason}"' not in source] == []


@pytest.mark.parametrize(
    "source",
    ['log.info("new")', 'log.info("new", **fields)', 'getattr(log, "x"); Event("new")', 'x = Event("new", "info")'],
)
def test_an_event_would_be_found(source: str) -> None:
    assert [found[:2] for found in logged_by(source)] == [("new", "info")]


@pytest.mark.parametrize(
    ("page", "least"), [("docs/explanation/security-model.md", 40), ("docs/reference/openid-conformance.md", 35)]
)
def test_every_test_that_a_page_names_exists(page: str, least: int) -> None:
    named = re.findall(r"`([\w/]+\.py)::(\w+)`", PAGES[page])
    assert len(named) > least
    for file, name in named:
        assert f"def {name}(" in (ROOT / "tests" / file).read_text(), f"{file}::{name}"
