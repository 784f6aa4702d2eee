"""authserver snippet NAME."""

import re
from importlib.resources import files

import click

from ..domain import scopes
from ..domain.errors import ScopeRefused
from ..settings import load

NAMES = ("fastapi", "starlette", "flask", "django", "express", "spring", "go", "nginx")
_PLAIN = re.compile(r"[\w.,:;/?@!&()*+=~%-]+", re.ASCII)
_WHERE_TO_GO_ON = "To get a token for a client with that audience and scope, see docs/tutorial/first-token.md."


@click.command("snippet")
@click.argument("name", type=click.Choice(NAMES))
@click.option(
    "--audience", default="https://api.example", show_default=True, help="This API's name, which its tokens are for."
)
@click.option(
    "--scope",
    "scope",
    multiple=True,
    default=["read"],
    show_default=True,
    help='Scope that a token must have, or several as "a b". Repeatable.',
)
def command(name: str, audience: str, scope: tuple[str, ...]) -> None:
    """Print a small API that accepts access tokens of this issuer, for the framework NAME.

    The comment at its top says how to install, run and call it.

    \b
    Examples:
      authserver snippet fastapi > notes.py
      authserver snippet express --audience https://notes.example --scope "read write" > notes.mjs
    """
    words = _scopes(scope)
    filled = {
        "@issuer@": load().issuer,
        "@audience@": _audience(audience),
        "@scopes@": _quoted(words),
        "@authorities@": _quoted([f"SCOPE_{word}" for word in words]),
    }
    click.echo(_fill(files(__package__).joinpath("snippets", f"{name}.txt").read_text("utf-8"), filled), nl=False)
    click.echo(_WHERE_TO_GO_ON, err=True)


def _fill(template: str, values: dict[str, str]) -> str:
    """Fill in all values in one pass, so that a value is never mistaken for a placeholder."""
    return re.sub("|".join(values), lambda place: values[place[0]], template)


def _audience(text: str) -> str:
    if not _PLAIN.fullmatch(text):
        raise click.UsageError(
            f"{text!r} cannot be quoted in every language. Use an audience without spaces, quotes, backslashes, "
            "brackets and $, like https://api.example."
        )
    return text


def _scopes(texts: tuple[str, ...]) -> list[str]:
    try:
        words = list(scopes.listed(texts))
    except ScopeRefused as error:
        raise click.UsageError(str(error)) from None
    if not words or not all(map(_PLAIN.fullmatch, words)):
        raise click.UsageError(
            'Give one scope or more without quotes, backslashes, brackets and $, like --scope "a b".'
        )
    return words


def _quoted(words: list[str]) -> str:
    """Return the words as string arguments in all of these languages."""
    return ", ".join(f'"{word}"' for word in words)
