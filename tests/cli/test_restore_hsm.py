"""`authserver restore` where the signing keys are in an HSM: it counts only keys that are there, and leaves none."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.cli.backups import LINE, sql
from tests.harness.hsm import needs_softhsm, new_token
from tests.harness.process import run

pytestmark = needs_softhsm
pytest.importorskip("pkcs11")
from tests.cli.test_hsm import for_each_key, in_token  # noqa: E402


@pytest.fixture(scope="module")
def token(softhsm: Path) -> Any:
    return new_token("restored")


@pytest.fixture(scope="module")
def template(token: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("template")
    run("init", folder=folder, settings=token.settings)
    run("backup", "b", "--passphrase-stdin", folder=folder, input=LINE, settings=token.settings)
    return folder


@pytest.fixture
def folder(template: Any, tmp_path: Path) -> Any:
    shutil.copytree(template, tmp_path, dirs_exist_ok=True)
    return tmp_path


def restore(folder: Path, *arguments: Any, **settings: str) -> Any:
    command = ("restore", "b", "--passphrase-stdin", "--yes", *arguments)
    return run(*command, folder=folder, input=LINE, check=False, settings=settings)


def kids(folder: Path) -> Any:
    return [row[0] for row in sql(folder / "authserver.db", "SELECT kid FROM signing_keys")]


def test_a_restore_that_is_refused_or_fails_leaves_no_key_there(token: Any, folder: Any) -> None:
    before = in_token(token)
    revoked = [word for kid in kids(folder) for word in ("--revoked", kid)]
    refused = restore(folder, *revoked, **token.settings)
    assert refused.returncode == 3 and "A new key would sign" in refused.stderr
    assert in_token(token) == before
    sql(folder / "authserver.db", "DROP TABLE denied_tokens")  # so that it fails after the keys are made
    assert restore(folder, *revoked, "--emergency", **token.settings).returncode == 69
    assert in_token(token) == before


def test_a_rehearsal_makes_no_key_there(token: Any, folder: Any) -> None:
    before = in_token(token)
    revoked = [word for kid in kids(folder) for word in ("--revoked", kid)]
    assert restore(folder, *revoked, "--emergency", "--dry-run", **token.settings).returncode == 0
    assert in_token(token) == before


def test_without_its_settings_what_is_missing_is_said(token: Any, folder: Any) -> None:
    for arguments in ((), ("--dry-run",)):
        refused = restore(folder, *arguments)
        assert refused.returncode == 78 and "--emergency" in refused.stderr
        assert refused.stderr.endswith("AUTHSERVER_PKCS11_MODULE=/path/to/module.so\n")
    assert restore(folder, "--emergency").returncode == 0  # the token is lost
    assert run("config", "check", folder=folder).returncode == 0


def test_keys_that_are_still_in_the_token_keep_signing(token: Any, folder: Any) -> None:
    before = sql(folder / "authserver.db", "SELECT kid, state, wrapped FROM signing_keys ORDER BY kid")
    assert restore(folder, **token.settings).returncode == 0
    assert sql(folder / "authserver.db", "SELECT kid, state, wrapped FROM signing_keys ORDER BY kid") == before


def test_keys_that_are_gone_from_there_do_not_sign(softhsm: Path, tmp_path: Path) -> None:
    token = new_token("emptied")
    run("init", folder=tmp_path, settings=token.settings)
    run("backup", "b", "--passphrase-stdin", folder=tmp_path, input=LINE, settings=token.settings)
    for_each_key(token, "key.destroy()")
    rehearsed = restore(tmp_path, "--dry-run", "--json", **token.settings)
    assert json.loads(rehearsed.stdout)["refused"] is True
    assert restore(tmp_path, **token.settings).returncode == 3
    assert restore(tmp_path, "--emergency", **token.settings).returncode == 0
    assert run("config", "check", folder=tmp_path, settings=token.settings).returncode == 0
