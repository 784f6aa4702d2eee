"""A command in a folder without a database says so and creates nothing there."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from tests.cli.test_forms import LEAVES

WITHOUT_A_DATABASE = {("init",), ("config", "show"), ("snippet",), ("version",), ("doctor",), ("mail", "test")}
"""What creates it, what does not look at it, and what makes a finding of it."""
NEEDS_A_FILE = {path for path, command in LEAVES.items() if any(getattr(p.type, "exists", 0) for p in command.params)}
ARGUMENTS_OF = {("outbox", "retry"): ["7"]}
ARGUMENTS = {
    "name": "ada",
    "address": "ada@example.com",
    "client_id": "app",
    "alg": "RS256",
    "kid": "kid",
    "id": "0" * 32,
    "file": "b",
}
OPTIONS = ("--yes", "--password-stdin", "--passphrase-stdin")
OTHERS = {
    ("client", "update"): ["--name", "App"],
    ("db", "copy"): ["--to", "sqlite:///copy.db"],
    ("serve",): ["--port", "0"],
}


INPUTS = {("user", "set-claims"): "{}"}


@pytest.mark.parametrize("path", sorted(LEAVES.keys() - WITHOUT_A_DATABASE - NEEDS_A_FILE), ids=" ".join)
def test_it_names_the_database_that_it_looked_for(cli: Callable[..., Result], tmp_path: Path, path: Any) -> None:
    parameters = LEAVES[path].params
    options = [name for name in OPTIONS if any(name in parameter.opts for parameter in parameters)]
    names = [str(one.name) for one in parameters if one.param_type_name == "argument"]
    arguments = ARGUMENTS_OF.get(path) or [ARGUMENTS[name] for name in names]
    input = INPUTS.get(path, "a long enough password\n")
    said = cli(*path, *arguments, *options, *OTHERS.get(path, []), code=78, input=input).stderr
    assert f"There is no database {tmp_path}/authserver.db." in said
    assert list(tmp_path.iterdir()) == []
    assert said.endswith("\n    authserver init\n") and "AUTHSERVER_DATABASE_URL=" in said


@pytest.mark.parametrize("arguments", [["user", "list"], ["serve", "--port", "0"], ["db", "upgrade"]], ids=" ".join)
def test_a_folder_that_is_not_there_may_be_a_volume_that_is_not_mounted(
    cli: Callable[..., Result], tmp_path: Path, arguments: Any
) -> None:
    said = cli(*arguments, code=69, DATABASE_URL=f"sqlite:///{tmp_path}/data/as.db").stderr
    assert f"There is no database {tmp_path}/data/as.db, and no folder {tmp_path}/data." in said
    assert list(tmp_path.iterdir()) == []
