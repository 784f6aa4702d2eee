"""The authserver command: noun, then verb; one file per noun.

Data goes to stdout, messages to stderr; an error message begins with "Error: ". Exit codes: 0 done, 1 failed, 2 usage,
3 refused by policy, 69 the database or a key service cannot be reached, 75 another process changed the same rows, 78
configuration.

A command's file is imported when the command runs. Modules that open the database are often imported inside the
function that needs them: they take 0.5 s of CPU, which `--help`, `config show` and a wrong option need not spend.
"""

import re
from importlib import import_module
from typing import Any

import click

from .. import __version__
from ..domain.errors import ChangedMeanwhile, Misconfigured, Refused, Unavailable
from .common import ARGUMENTS

_EXIT_CODES: dict[type[Exception], int] = {Refused: 3, ChangedMeanwhile: 75, Unavailable: 69, Misconfigured: 78}
_WHICH_DATABASE = "To see which database this is, and where it is set:\n\n    authserver config show"
_DASHED_KID = re.compile("-[A-Za-z0-9_-]{42}")
_COMMANDS = {
    "init": "Create the database, the key-encryption key and the first keys, where they are missing.",
    "serve": "Run the server.",
    "doctor": "Check the whole installation, and say how to fix what is wrong.",
    "config": "Show and check the settings.",
    "db": "Manage the database's schema.",
    "user": "Manage users.",
    "client": "Manage clients.",
    "authorization": "Show and end authorizations: what users allowed clients.",
    "session": "Show and end browser sessions: who is signed in where.",
    "mail": "Send a test email.",
    "outbox": "Show emails and logout tokens that are waiting to be sent, and send one again.",
    "audit": "Read the audit trail: who did what, when and from where.",
    "keys": "Manage the signing keys.",
    "token": "Explain a token.",
    "snippet": "Print a small API that accepts this server's tokens, for a framework of your choice.",
    "backup": "Write a backup of the SQLite database, encrypted with a passphrase.",
    "restore": "Replace the SQLite database with a backup.",
    "version": "Print the version.",
}


class _Commands(click.Group):
    """Imports a command only when it is called, and turns errors into a message and an exit code."""

    def list_commands(self, context: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in _COMMANDS:
            return None
        command: click.Command = import_module(f".{name}", __package__).command
        return command

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))

    def make_context(self, info_name: str | None, args: list[str], *others: Any, **options: Any) -> click.Context:
        arguments = tuple(args)
        context = super().make_context(info_name, _with_kids_last(args), *others, **options)
        context.meta[ARGUMENTS] = arguments
        return context

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except tuple(_EXIT_CODES) as error:
            its_database = type(error) is Unavailable  # the others concern keys
            text = f"{_sentence(str(error))} {_WHICH_DATABASE}" if its_database else str(error)
            click.echo(f"Error: {text}", err=True)
            raise SystemExit(_exit_code(error)) from None


def _with_kids_last(args: list[str]) -> list[str]:
    """Move a `kid` that begins with a hyphen, as one thumbprint of 64 does, to where no option is expected."""
    kids = [arg for place, arg in enumerate(args) if _DASHED_KID.fullmatch(arg) and args[:place][-1:] != ["--kid"]]
    if not kids or "--" in args:
        return args
    return [*(arg for arg in args if arg not in kids), "--", *kids]


def _sentence(text: str) -> str:
    """Messages of drivers and libraries may lack the final period."""
    return text if text.endswith((".", "?", "!")) else f"{text}."


def _exit_code(error: Exception) -> int:
    return next(code for kind, code in _EXIT_CODES.items() if isinstance(error, kind))


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="authserver", message="%(prog)s %(version)s")
def main() -> None:
    """An OAuth 2 and OpenID Connect server.

    \b
    Examples:
      authserver init
      authserver serve --port 8000
    """
