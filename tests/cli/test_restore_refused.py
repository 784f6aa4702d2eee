"""`authserver restore`: the files, and the databases, that it refuses."""

from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from shlex import quote
from typing import Any

import pytest
from click.testing import Result

from authserver.keyring.passphrase import Stretching
from authserver.store import migrations
from tests.cli.backups import sql

TOO_DEAR = Stretching(bytes(16), 3, 2**40, 4).as_text()
TOO_CHEAP = Stretching(bytes(16), 3, 1, 4).as_text()
UNSALTED = Stretching.new(b"").as_text()
DEEP = "[" * 200_000
DEEP_HEADER = b64encode(f'{{"alg":{DEEP}'.encode()).decode()


def test_the_wrong_passphrase_opens_nothing(
    cli: Callable[..., Result], backup: Callable[..., Path], here: Path
) -> None:
    backup()
    before = Path("authserver.db").read_bytes()
    told = cli("restore", "b", "--passphrase-stdin", "--yes", code=1, input="another passphrase\n")
    assert "The passphrase does not open the backup." in told.stderr
    assert Path("authserver.db").read_bytes()[100:] == before[100:]
    assert not list(here.glob("authserver.db.*"))


def cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def scrambled(content: bytes) -> bytes:
    return content[:8192] + b"x" * (len(content) - 8192)


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda content: b"This is no database.\n" * 1000, "it is not a backup"),
        (lambda content: b"", "not a backup"),
        (lambda content: Path("authserver.db").read_bytes(), "not a backup"),
        (cut, "damaged"),
        (scrambled, "damaged"),
    ],
)
def test_what_is_no_whole_backup_is_refused(
    backup: Callable[..., Path], restore: Callable[..., Any], here: Path, spoil: Any, why: str
) -> None:
    Path("b").write_bytes(spoil(backup().read_bytes()))
    assert_refused(restore, here, why)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("UPDATE clients SET redirect_uris = 'https://evil.example'", "was changed after it was made"),
        ("CREATE TRIGGER t AFTER INSERT ON users BEGIN DELETE FROM clients; END", "was changed after it was made"),
        ("UPDATE authserver_backup SET format = 2", "newer authserver"),
        (f"UPDATE authserver_backup SET stretching = '{TOO_DEAR}'", "damaged"),
        (f"UPDATE authserver_backup SET stretching = '{TOO_CHEAP}'", "damaged"),
        (f"UPDATE authserver_backup SET stretching = '{UNSALTED}'", "damaged"),
        (f"UPDATE authserver_backup SET stretching = '{DEEP}'", "damaged"),
        ("UPDATE authserver_backup SET stretching = '[]'", "damaged"),
        ("UPDATE authserver_backup SET stretching = x'00'", "damaged"),
        (f"UPDATE authserver_backup SET encrypted = '{DEEP_HEADER}.a.a.a.a'", "does not open the backup"),
        ("ALTER TABLE authserver_backup DROP COLUMN encrypted", "damaged"),
        ("ALTER TABLE signing_keys DROP COLUMN wrapped", "was changed after it was made"),
        ("CREATE TABLE t (a PRIMARY KEY) WITHOUT ROWID", "was changed after it was made"),
        ("UPDATE clients SET name = CAST(x'ff' AS TEXT)", "was changed after it was made"),
    ],
)
def test_a_backup_that_was_changed_is_refused(
    backup: Callable[..., Path], restore: Callable[..., Any], here: Path, change: str, why: str
) -> None:
    sql(backup(), change)
    assert_refused(restore, here, why)


def assert_refused(restore: Any, here: Path, why: str) -> None:
    before, content = sql("authserver.db", "SELECT * FROM signing_keys"), Path("b").read_bytes()
    assert why in restore(code=1).stderr
    assert sql("authserver.db", "SELECT * FROM signing_keys") == before
    assert Path("b").read_bytes() == content
    assert not list(here.glob("authserver.db.*"))


def test_a_backup_of_a_newer_schema_is_refused(
    backup: Callable[..., Path], restore: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    backup()
    monkeypatch.setattr(migrations, "_known", lambda: ["0000"])
    assert "A newer authserver made this backup. Install that version" in restore(code=1).stderr


def test_a_damaged_database_is_to_be_put_aside(
    backup: Callable[..., Path], restore: Callable[..., Any], here: Path
) -> None:
    backup()
    content = Path("authserver.db").read_bytes()
    Path("authserver.db").write_bytes(content[:8192] + b"x" * (len(content) - 8192))
    told = restore(code=1).stderr
    assert "is damaged, so nothing can be kept of it" in told
    assert told.endswith(f"    mv {here}/authserver.db {here}/authserver.db.damaged\n")


def test_another_servers_database_is_to_be_put_aside(
    cli: Callable[..., Result], backup: Callable[..., Path], restore: Callable[..., Any], here: Path
) -> None:
    backup()
    for file in Path().glob("authserver.db*"):
        file.unlink()
    cli("init")
    assert "shares no signing key with the backup" in restore(code=3).stderr


@pytest.mark.parametrize("kind", ["stranger", "damaged"])
def test_a_database_elsewhere_is_named_as_it_is(
    cli: Callable[..., Result], backup: Callable[..., Path], restore: Callable[..., Any], here: Path, kind: str
) -> None:
    backup()
    path = here / "sub folder" / "x.db"
    path.parent.mkdir()
    url = f"sqlite:///{path}"
    if kind == "stranger":
        cli("init", DATABASE_URL=url)
        told = restore(code=3, DATABASE_URL=url).stderr
    else:
        path.write_bytes(b"This is no database.\n" * 1000)
        told = restore(code=1, DATABASE_URL=url).stderr
    ending = {"stranger": "aside", "damaged": "damaged"}[kind]
    assert told.endswith(f"    mv {quote(str(path))} {quote(f'{path}.{ending}')}\n")


def test_a_database_in_memory_is_no_postgresql(
    cli: Callable[..., Result], backup: Callable[..., Path], restore: Callable[..., Any]
) -> None:
    backup()
    url = "sqlite:///:memory:"
    for told in (
        restore(code=3, DATABASE_URL=url).stderr,
        cli("backup", "c", "--passphrase-stdin", code=3, DATABASE_URL=url).stderr,
    ):
        assert "is in memory" in told and "PostgreSQL" not in told
        assert told.endswith("    AUTHSERVER_DATABASE_URL=sqlite:////path/to/authserver.db\n")
