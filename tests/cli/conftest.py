"""The authserver command in this process, in a folder of its own that `authserver init` has set up."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from authserver.cli import main
from authserver.serving import sighup
from tests.cli.backups import LINE
from tests.harness.hsm import Token, new_token
from tests.harness.process import run


@pytest.fixture(scope="session")
def initialised(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as `authserver init` leaves it, to be copied."""
    folder = tmp_path_factory.mktemp("initialised")
    run("init", folder=folder)
    return folder


@pytest.fixture
def here(initialised: Path, tmp_path: Path) -> Path:
    """The working folder, a copy of that one."""
    shutil.copytree(initialised, tmp_path, dirs_exist_ok=True)
    return tmp_path


@pytest.fixture(scope="session")
def initialised_with_hsm(softhsm: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Token]:
    """The same with the keys in a token, for tests that change nothing there."""
    folder, token = tmp_path_factory.mktemp("initialised-with-hsm"), new_token("initialised")
    run("init", folder=folder, settings=token.settings)
    return folder, token


@pytest.fixture
def with_hsm(initialised_with_hsm: tuple[Path, Token], tmp_path: Path) -> Token:
    """The token of the working folder, which is a copy of that one."""
    folder, token = initialised_with_hsm
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    return token


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """`cli("user", "list", code=0, input="")` runs the command; variables without their prefix: ISSUER=..."""
    for name in [name for name in os.environ if name.startswith("AUTHSERVER_")]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(sighup, "hold", lambda: None)  # for good, and this process is not a server's

    def cli(*arguments: str, code: int = 0, input: str | bytes | None = None, **variables: str) -> Result:
        env = {f"AUTHSERVER_{name}": value for name, value in variables.items()}
        result = CliRunner().invoke(main, arguments, input=input, env=env, catch_exceptions=False)
        assert result.exit_code == code, result.output
        return result

    return cli


@pytest.fixture
def data(cli: Callable[..., Result], here: Path) -> Callable[..., Any]:
    """What the command prints with --json: one JSON document on stdout, and nothing else there."""

    def data(*arguments: str, **options: Any) -> Any:
        return json.loads(cli(*arguments, "--json", **options).stdout)

    return data


@pytest.fixture
def backup(cli: Callable[..., Result], here: Path) -> Callable[..., Path]:
    """`backup()` makes one of the database in the working folder; returns its path."""

    def backup(name: str = "b", **options: Any) -> Path:
        cli("backup", name, "--passphrase-stdin", input=LINE, **options)
        return here / name

    return backup


@pytest.fixture
def restore(cli: Callable[..., Result], here: Path) -> Callable[..., Any]:
    """`restore("--end-logins", code=0)`; the result, and what it prints as JSON when it did what it should."""

    def restore(*arguments: str, file: str = "b", code: int = 0, **options: Any) -> Any:
        result: Any = cli(
            "restore", file, "--passphrase-stdin", "--yes", "--json", *arguments, code=code, input=LINE, **options
        )
        result.data = None if code else json.loads(result.stdout)
        return result

    return restore


@pytest.fixture
def states(data: Callable[..., Any]) -> Callable[[], dict[str, str]]:
    """The state of each key, by kid."""
    return lambda: {key["kid"]: key["state"] for key in data("keys", "list")}


@pytest.fixture
def kid_of(states: Callable[[], dict[str, str]]) -> Callable[[str], str]:
    return lambda state: next(kid for kid, its in states().items() if its == state)
