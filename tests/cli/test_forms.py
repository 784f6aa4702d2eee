"""What holds for every command: examples, --json, no secret among its arguments, exit codes, stdout and stderr."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from click.shell_completion import BashComplete
from click.testing import Result

from authserver import __version__
from authserver.cli import main
from authserver.cli.common import cell, table
from tests.cli.terminal import converse


def commands(group: click.Group = main, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command by the words that call it, the groups too."""
    yield path, group
    for name in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command


ALL = dict(commands())
LEAVES = {path: command for path, command in ALL.items() if not isinstance(command, click.Group)}
every = pytest.mark.parametrize("path", ALL, ids=" ".join)


def test_the_commands_are_these() -> None:
    """So that none is lost; new ones come with a line here."""
    assert {" ".join(path) for path in LEAVES} >= {
        *("init", "serve", "config show", "config check", "db upgrade", "db current", "keys list"),
        *(f"user {verb}" for verb in ("create", "list", "show", "disable", "enable", "set-password")),
        *("user end-logins", "user delete", "version"),
        *(f"authorization {verb}" for verb in ("list", "show", "end")),
        *(f"client {verb}" for verb in ("create", "list", "show", "disable", "enable", "rotate-secret", "delete")),
    }


@every
def test_help_has_two_examples_that_call_the_command(cli: Callable[..., Result], path: Any) -> None:
    shown = cli(*path, "--help").stdout
    examples = shown.partition("Examples:\n")[2].split("\n\n")[0].splitlines()
    assert len(examples) >= 2, shown
    for example in examples:
        assert " ".join(("authserver", *path)) in example or path == ("keys", "rotate"), example


@every
def test_help_works_without_settings_and_database(cli: Callable[..., Result], path: Any) -> None:
    assert cli(*path, "--help", ISSUER="not an issuer").stderr == ""


@every
def test_h_is_help(cli: Callable[..., Result], path: Any) -> None:
    assert cli(*path, "-h").stdout == cli(*path, "--help").stdout


def test_the_version_is_a_command_and_an_option(cli: Callable[..., Result]) -> None:
    assert cli("version").stdout == cli("--version").stdout == f"authserver {__version__}\n"
    assert json.loads(cli("version", "--json").stdout)["version"] == __version__


def test_shells_complete_commands_and_options() -> None:
    """What click's scripts for the shells ask, as docs/how-to/users-and-authorizations.md says how."""
    completion = BashComplete(main, {}, "authserver", "_AUTHSERVER_COMPLETE")
    for typed, incomplete, offered in (
        ([], "us", "user"),
        (["user"], "end", "end-logins"),
        (["user", "list"], "-", "-h"),
    ):
        assert offered in {item.value for item in completion.get_completions(typed, incomplete)}


def test_every_error_begins_with_the_same_word(cli: Callable[..., Result], here: Path) -> None:
    """Its own, and click's after the usage."""
    for arguments, code in ((["user", "show", "nobody"], 1), (["user"], 2), (["x"], 2), (["keys", "rotate"], 3)):
        said = cli(*arguments, code=code).stderr
        assert said.startswith("Error: ") or "\n\nError: " in said or arguments == ["user"], said


def test_a_database_that_cannot_be_reached_is_told_in_whole_sentences(cli: Callable[..., Result], here: Path) -> None:
    """The driver's ends with a question."""
    said = cli("user", "list", code=69, DATABASE_URL="postgresql+psycopg://nobody@127.0.0.1:1/none").stderr
    assert "accepting TCP/IP connections? To see which database this is" in said


def test_every_option_is_explained() -> None:
    for path, parameter in parameters():
        assert isinstance(parameter, click.Argument) or getattr(parameter, "help", None), (path, parameter.name)


def test_reads_and_creates_can_print_json() -> None:
    printing = {path for path, parameter in parameters() if "--json" in parameter.opts}
    assert printing >= {
        path for path in LEAVES if path[-1] in ("create", "list", "show", "current", "rotate-secret", "inspect")
    }


def test_no_secret_is_an_argument() -> None:
    """Others see arguments: in the list of processes, in the shell's history."""
    for path, parameter in parameters():
        named = re.search("(password|secret|token|credential|private)(?!_claim)", str(parameter.name))
        harmless = getattr(parameter, "is_flag", False) or parameter.type.name in ("integer range", "choice")
        assert harmless or not named, (path, parameter.name)


def parameters() -> Any:
    return [(path, parameter) for path, command in LEAVES.items() for parameter in command.params]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--version"], 0),
        (["config", "check"], 0),
        (["user", "show", "nobody"], 1),
        (["user"], 2),
        (["no-such-command"], 2),
        (["user", "create"], 2),
        (["client", "create", "x", "--grant", "implicit"], 2),
        (["serve", "--port", "65536"], 2),
        (["serve", "--workers", "0"], 2),
        (["keys", "rotate"], 3),
    ],
)
def test_each_outcome_has_its_exit_code(cli: Callable[..., Result], here: Path, arguments: Any, code: int) -> None:
    result = cli(*arguments, code=code)
    assert result.stdout == "" or code == 0
    assert result.stderr or code == 0


@pytest.mark.parametrize("url", ["sqlite:////nowhere/at/all.db", "postgresql+psycopg://nobody@127.0.0.1:1/none"])
@pytest.mark.parametrize("arguments", [["user", "list"], ["init"], ["serve", "--port", "0"], ["db", "upgrade"]])
def test_exit_code_69_for_a_database_that_cannot_be_reached(
    cli: Callable[..., Result], here: Path, url: str, arguments: Any
) -> None:
    result = cli(*arguments, code=69, DATABASE_URL=url)
    assert result.stdout == ""
    assert result.stderr.startswith("Error: ") and "Traceback" not in result.stderr
    assert result.stderr.endswith("\n    authserver config show\n")


@pytest.mark.parametrize("arguments", [["user", "list"], ["init"], ["serve", "--port", "0"], ["db", "current"]])
def test_a_misspelt_setting_is_exit_code_78(cli: Callable[..., Result], here: Path, arguments: Any) -> None:
    result = cli(*arguments, code=78, ISUER="https://as.example")
    assert result.stdout == ""
    assert "did you mean AUTHSERVER_ISSUER?" in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [["user", "list"], ["client", "list"], ["keys", "list"], ["db", "current"], ["config", "show"]],
    ids=" ".join,
)
def test_reads_answer_on_stdout_alone_in_words_and_in_json(
    cli: Callable[..., Result], here: Path, arguments: Any
) -> None:
    words, document = cli(*arguments), cli(*arguments, "--json")
    assert words.stderr == document.stderr == ""
    assert "\x1b" not in words.stdout
    json.loads(document.stdout)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "-"),
        ("", "-"),
        ([], "-"),
        (True, "yes"),
        (False, "no"),
        (["a", None], "a, -"),
        (("a", "b"), "a, b"),
        (0, "0"),
    ],
)
def test_a_cell_is_words_and_no_python_value(value: Any, words: str) -> None:
    assert cell(value) == words
    assert table([[value, "x"]], ["title", "more"]).splitlines()[1].split("  ")[0] == words


@pytest.mark.parametrize(
    "arguments",
    [["user", "list"], ["client", "list"], ["client", "show", "first-party"], ["keys", "list"], ["config", "show"]],
    ids=" ".join,
)
def test_what_people_read_holds_no_python_value(cli: Callable[..., Result], here: Path, arguments: Any) -> None:
    cli("user", "create", "ada", "--password-stdin", input="a password")
    assert not re.search(r"\bNone\b|\bTrue\b|\bFalse\b|\[\]|\['", cli(*arguments).stdout)


def test_a_table_that_is_wider_than_the_terminal_is_a_list_of_fields(cli: Callable[..., Result], here: Path) -> None:
    wide, narrow = cli("config", "show").stdout, converse("config", "show", columns=80)
    assert wide.startswith("variable  ") and max(map(len, wide.splitlines())) > 80
    assert narrow.startswith("variable: AUTHSERVER_ISSUER\nvalue: http://127.0.0.1:8000\nfrom: default\n")


def test_a_token_that_is_not_even_text_is_no_token(cli: Callable[..., Result], here: Path) -> None:
    result = cli("token", "inspect", "--json", input=b"\xff\xfe", code=1)
    assert json.loads(result.stdout)["valid"] is False


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_a_kid_that_begins_with_a_hyphen_is_no_option(
    cli: Callable[..., Result], here: Path, options: tuple[str, ...]
) -> None:
    kid = "-h2EgA762j4Kr7Sg8IVa65zKFsxcdPk8PYe4PQzgEhY"
    for arguments in ((kid, *options), (*options, kid), (*options, "--", kid)):
        assert kid in cli("keys", "export-public", *arguments, code=1).stderr
