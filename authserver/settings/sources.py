"""Reads settings from flags, the environment, .env and authserver.toml, in this order. It does not check values."""

import difflib
import json
import os
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from shlex import quote
from typing import Any

from dotenv import dotenv_values

from ..file_modes import user_name, writable_by_others

PREFIX = "AUTHSERVER_"
FLAG, ENVIRONMENT, DOTENV, TOML, DEFAULT = "flag", "environment", ".env", "authserver.toml", "default"

# Kubernetes sets these variables in every container if there is a service named "authserver".
_SERVICE_LINK = re.compile(
    r"AUTHSERVER_(SERVICE_(HOST|PORT)\w*=.*|PORT_\d+_(TCP|UDP|SCTP)\w*=.*|PORT=\w+://.*)",
)
_SECRET_NAME = re.compile(r"pass|secret|pin|token(?!_ttl)|encr|private", re.IGNORECASE)
_LONGEST_REPEATED = 200
_SERVE_FLAGS = {"host", "port", "workers"}


@dataclass(frozen=True)
class SourcedValue:
    """A value as it was found, not yet checked; `file` is the path when it came through a ..._FILE."""

    source: str
    value: Any = field(repr=False)
    file: str | None = None

    def __str__(self) -> str:
        return f"{self.source}, file {self.file}" if self.file else self.source


@dataclass(frozen=True)
class Names:
    """The names of all settings: an example value for each (its default, if any), and which are secrets."""

    examples: Mapping[str, str | int]
    secrets: frozenset[str]

    def all(self) -> list[str]:
        return [*self.examples, *(f"{name}_file" for name in sorted(self.secrets))]


def variable(name: str) -> str:
    return PREFIX + name.upper()


def line(source: str, name: str, value: str | int) -> str:
    """Return the line that sets this value, in the syntax of its source."""
    if source == FLAG:
        return f"--{name.replace('_', '-')}={value}"
    return f"{name} = {json.dumps(value)}" if source == TOML else f"{variable(name)}={value}"


def read(flags: Mapping[str, Any], names: Names) -> tuple[dict[str, SourcedValue], list[str]]:
    """Return each setting's value in the first source that has it, and what is wrong with the sources."""
    values: dict[str, SourcedValue] = {}
    problems: list[str] = []
    for source, given in _sources(flags, problems):
        problems += [_misspelt(source, name, given[name], names) for name in given if name not in names.all()]
        problems += [_both(source, name) for name in names.secrets if {name, f"{name}_file"} <= given.keys()]
        for name, value in given.items():
            setting = name.removesuffix("_file") if name.removesuffix("_file") in names.secrets else name
            if setting in names.examples:
                values.setdefault(setting, SourcedValue(source, value, str(value) if setting != name else None))
    return _with_files(values, problems), problems


def _sources(flags: Mapping[str, Any], problems: list[str]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    yield FLAG, {name: value for name, value in flags.items() if value is not None}
    yield ENVIRONMENT, _prefixed(os.environ)
    problems += [_unsafe(file, fix) for file in (DOTENV, TOML) if (fix := writable_by_others(Path(file)))]
    yield DOTENV, _prefixed(_opened(DOTENV, lambda: _dotenv(problems), problems))
    yield TOML, _opened(TOML, _toml, problems)


def _opened(source: str, reader: Callable[[], Mapping[str, Any]], problems: list[str]) -> Mapping[str, Any]:
    try:
        return reader()
    except tomllib.TOMLDecodeError as error:
        hint = "text needs quotes, numbers have none; allowed: lines such as"
        problems.append(f'{source} is not TOML: {error}; {hint}:\nlog_level = "info"')
    except PermissionError:
        problems.append(_not_permitted(source))
    except (OSError, UnicodeDecodeError) as error:
        example = line(source, "log_level", "info")
        problems.append(
            f"{source} cannot be read: {_reason(error)}; allowed: a UTF-8 file of lines such as:\n{example}"
        )
    return {}


def _unsafe(file: str, fix: str) -> str:
    return (
        f"{Path(file).resolve()} can be written by others; allowed: a file that only its owner can write. Run:\n{fix}"
    )


def _not_permitted(file: str) -> str:
    path, user = Path(file).absolute(), user_name(os.geteuid())
    return (
        f"{path}: the user {user} is not permitted to read it; allowed: a file of the server's user. Run as root:\n"
        f"chown {user} {quote(str(path))}"
    )


def _reason(error: Exception) -> str:
    """Return why a file could not be read, without any of its content."""
    return (error.strerror or "an error") if isinstance(error, OSError) else "it is not UTF-8 text"


def _toml() -> Mapping[str, Any]:
    return tomllib.loads(Path(TOML).read_bytes().decode()) if Path(TOML).is_file() else {}


def _dotenv(problems: list[str]) -> Mapping[str, str | None]:
    if not Path(DOTENV).is_file() and not Path(DOTENV).is_fifo():
        return {}
    values = dotenv_values(DOTENV, encoding="utf-8-sig")
    problems += [
        f"{name} ({DOTENV}) is on a line that cannot be read; allowed: NAME=value, such as:\n{PREFIX}LOG_LEVEL=info"
        for name in _names_on_lines()
        if name not in values
    ]
    return values


def _names_on_lines() -> list[str]:
    """Return the names of our variables in .env. python-dotenv skips lines that it cannot parse, and no setting may be
    lost that way."""
    if not Path(DOTENV).is_file():  # a pipe can be read only once
        return []
    text = Path(DOTENV).read_text("utf-8-sig")
    return re.findall(rf"^[ \t]*(?:export[ \t]+)?({PREFIX}\w+)", text, re.MULTILINE)


def _prefixed(variables: Mapping[str, str | None]) -> dict[str, str]:
    """Return our variables by setting. A name that is not in capitals is kept unchanged, so it matches no setting."""
    prefixed = {name: value or "" for name, value in variables.items() if name.upper().startswith(PREFIX)}
    return {
        name.removeprefix(PREFIX).lower() if name.isupper() else name: value
        for name, value in prefixed.items()
        if not _SERVICE_LINK.fullmatch(f"{name}={value}")
    }


def _misspelt(source: str, name: str, value: Any, names: Names) -> str:
    spelled = name if source in (FLAG, TOML) or name.upper().startswith(PREFIX) else variable(name)
    bare = name.lower().removeprefix(PREFIX.lower()).replace("-", "_")
    close = difflib.get_close_matches(bare, names.all(), 1)
    if not close:
        hint = "host, port and workers are flags of authserver serve; " if bare in _SERVE_FLAGS else ""
        return f"{spelled} ({source}) is not a setting; {hint}allowed: {', '.join(names.examples)}. Remove:\n{spelled}"
    suggestion = close[0] if source in (FLAG, TOML) else variable(close[0])
    return (
        f"{spelled} ({source}) is not a setting; did you mean {suggestion}? Write:\n"
        f"{line(source, close[0], _repeated(spelled, close[0], value, names))}"
    )


def _repeated(spelled: str, name: str, value: Any, names: Names) -> str | int:
    """The caller's value for the setting `name`, or dots if it might be a secret, even one of a setting that does not
    exist."""
    if name not in names.examples:
        return "PATH"
    if name in names.secrets or _SECRET_NAME.search(spelled) or "@" in str(value):
        return "..."
    if re.fullmatch(r"[0-9]{1,9}", str(value)):
        return int(value)
    is_line = isinstance(value, str) and value.isprintable() and 0 < len(value) <= _LONGEST_REPEATED
    return str(value) if is_line else names.examples[name]


def _both(source: str, name: str) -> str:
    both = f"{variable(name)} ({source}): {variable(name)}_FILE is given too"
    return f"{both}; allowed: one of the two. Keep only:\n{line(source, f'{name}_file', 'PATH')}"


def _with_files(values: dict[str, SourcedValue], problems: list[str]) -> dict[str, SourcedValue]:
    """Read the files that ..._FILE name. A setting whose file cannot be read is left out."""
    read: dict[str, SourcedValue] = {}
    for name, item in values.items():
        try:
            read[name] = replace(item, value=_content(item.file)) if item.file is not None else item
        except (OSError, ValueError) as error:
            fault = f"{variable(name)}_FILE ({item.source}): {_path_shown(item.file or '')} cannot be read"
            fix = line(item.source, f"{name}_file", "PATH")
            problems.append(f"{fault}: {_reason(error)}; allowed: the path of a UTF-8 text file. Write:\n{fix}")
    return read


def _content(path: str) -> str:
    return re.sub(r"\r?\n\Z", "", Path(path).read_bytes().decode())


def _path_shown(path: str) -> str:
    """Return the path, or *** if it looks like the secret itself."""
    return "***" if re.search(r"://|^[\w+=,-]{40,}$", path) else repr(path)
