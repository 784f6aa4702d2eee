"""authserver user import and export: what a line may be, what is written, and that a file comes back as it was."""

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from authserver.cli import user_import
from authserver.provisioning import open_database
from authserver.settings import load
from authserver.store import users
from tests.harness.constants import PASSWORD

BCRYPT = "$2y$10$.vGA1O9wmRjrwAVXD98HNOgsNpDczlqm3Jq7KnEd1rVAGv3Fykk1a"
DJANGO = "pbkdf2_sha256$1000000$Kd8vq1WmQo2C$"[:-1] + "$" + "A" * 43 + "="
ADA = {"username": "Ada", "password_hash": BCRYPT, "claims": {"roles": ["editor"], "name": "Ada é"}}
EMAIL = {"email": "eve@example.com", "email_verified": True}
EVE = {"username": "eve", "password_hash": DJANGO, "disabled": True, "id": "f:8a6e|eve", "claims": EMAIL}


def lines(*members: Any) -> str:
    return "".join(f"{each if isinstance(each, str) else json.dumps(each)}\n" for each in members)


def stored() -> list[Any]:
    database = open_database(load())
    with database.begin() as connection:
        everyone = list(users.iterate(connection))
    database.close()
    return everyone


def test_each_line_becomes_a_user(cli: Callable[..., Result], data: Callable[..., Any], here: Path) -> None:
    (here / "users.jsonl").write_text(lines(ADA, "", EVE))
    result = data("user", "import", "users.jsonl")
    assert result == {"imported": 2, "skipped": 0, "dry_run": False}
    eve, ada = stored()
    assert (ada.username, ada.password_hash, ada.claims, ada.disabled) == ("ada", BCRYPT, ADA["claims"], False)
    assert ada.id.startswith("u_") and ada.created_at > 0 and ada.credential_version == 0
    assert (eve.id, eve.password_hash, eve.claims, eve.disabled) == ("f:8a6e|eve", DJANGO, EMAIL, True)


def test_a_dry_run_counts_and_writes_nothing(cli: Callable[..., Result], here: Path) -> None:
    result = cli("user", "import", "-", "--dry-run", input=lines(ADA, EVE))
    assert (result.stderr, result.stdout) == ("Would import 2 users.\n", "")
    assert stored() == []


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("{", "The line is not JSON: "),
        ("[]", "The JSON is not an object."),
        ("null", "The JSON is not an object."),
        ('{"username": "a", "username": "b"}', "A member is repeated."),
        (b'{"username": "\xff"}', "The line is not UTF-8."),
        ("\ufeff{}", "The line is not JSON: "),
        ({"username": "bob"}, "The member password_hash is missing."),
        ({"password_hash": BCRYPT}, "The member username is missing."),
        (ADA | {"e-mail": "x"}, "There is no member 'e-mail'. Allowed: claims, disabled, id, password_hash, username."),
        (ADA | {"username": "two words"}, "RFC 8265"),
        (ADA | {"username": 7}, "RFC 8265"),
        (ADA | {"password_hash": "5f4dcc3b5aa765d61d8327deb882cf99"}, "not in a known form. Allowed are Argon2i"),
        (ADA | {"password_hash": BCRYPT.replace("$10$", "$20$")}, "has 20 cost. Allowed are 4 to 15"),
        (ADA | {"claims": {"sub": "x"}}, "'sub' is reserved"),
        (ADA | {"claims": []}, "The claims are not a JSON object"),
        (json.dumps(ADA).replace('"Ada ', '1e999, "x": "'), "'name' contains a number"),
        (ADA | {"disabled": 1}, "The member disabled is not true or false."),
        (ADA | {"id": "two words"}, "The id is not valid. It needs 1 to 64"),
        (ADA | {"id": "i" * 65}, "The id is not valid"),
        (ADA | {"id": "first-party"}, "The id first-party is in use by another user or by a client."),
        (ADA | {"id": EVE["id"]}, "Line 2 has the same id."),
        (ADA | {"username": "ＥＶＥ"}, "Line 2 has the same username."),
        (ADA | {"claims": EVE["claims"]}, "Line 2 has the same verified address."),
        (ADA | {"claims": {"x": "x" * (1 << 16)}}, "The line has more than 65536 bytes."),
    ],
    ids=lambda each: str(each)[:40],
)
def test_a_line_that_is_not_valid_is_named_and_nothing_is_imported(
    cli: Callable[..., Result], here: Path, line: Any, why: str
) -> None:
    text = line if isinstance(line, bytes) else (line if isinstance(line, str) else json.dumps(line)).encode()
    content = b"\n".join([b"", lines(EVE).encode().rstrip(), b" ", text, b"{", b""])
    result = cli("user", "import", "-", input=content, code=1)
    numbered = [row for row in result.stderr.splitlines() if row.startswith("Line ")]
    assert [row.partition(":")[0] for row in numbered] == ["Line 4", "Line 5"]
    assert why in numbered[0]
    assert result.stderr.endswith("Error: 2 lines cannot be imported. Nothing was imported.\n")
    assert BCRYPT[8:] not in result.stderr and stored() == []


def test_existing_users_are_an_error_unless_they_are_skipped(
    cli: Callable[..., Result], data: Callable[..., Any], here: Path
) -> None:
    created = data("user", "create", "ada", "--password-stdin", input=PASSWORD)
    result = cli("user", "import", "-", input=lines(EVE, ADA), code=1)
    assert "Line 2: The user ada already exists.\n" in result.stderr and len(stored()) == 1
    done = data("user", "import", "-", "--skip-existing", input=lines(EVE, ADA | {"id": created["id"]}))
    assert done == {"imported": 1, "skipped": 1, "dry_run": False}
    assert {user.username: user.password_hash != BCRYPT for user in stored()} == {"ada": True, "eve": True}
    again = cli("user", "import", "-", "--skip-existing", input=lines(EVE, ADA))
    assert again.stderr == "Imported 0 users. Skipped 2.\n"
    thief = lines(ADA | {"username": "x", "id": EVE["id"]})
    assert "is in use" in cli("user", "import", "-", input=thief, code=1).stderr


def test_the_verified_address_of_a_user_is_refused_for_another(cli: Callable[..., Result], here: Path) -> None:
    cli("user", "import", "-", input=lines(EVE))
    other = {**ADA, "claims": {"email": "EVE@example.com", "email_verified": True}}
    result = cli("user", "import", "-", input=lines(other), code=1)
    assert "Line 1: Another user has the verified address eve@example.com." in result.stderr and len(stored()) == 1
    cli("user", "import", "-", input=lines({**other, "claims": EMAIL | {"email_verified": False}}))
    assert len(stored()) == 2


def test_an_import_that_stops_between_two_batches_can_be_continued(
    cli: Callable[..., Result], here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(user_import, "_BATCH", 2)
    everyone = [ADA | {"username": f"user{n}"} for n in range(5)]
    add, calls = user_import._add, list[int]()

    def failing(*args: Any, **options: Any) -> int:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return add(*args, **options)

    monkeypatch.setattr(user_import, "_add", failing)
    result = cli("user", "import", "-", input=lines(*everyone), code=1)
    assert "2 users imported before it stopped." in result.stderr and "--skip-existing" in result.stderr
    assert len(stored()) == 2
    assert cli("user", "import", "-", "--skip-existing", input=lines(*everyone)).stderr == (
        "Imported 3 users. Skipped 2.\n"
    )
    assert {user.username for user in stored()} == {f"user{n}" for n in range(5)}


def test_an_export_comes_back_as_it_was(cli: Callable[..., Result], data: Callable[..., Any], here: Path) -> None:
    data("user", "import", "-", input=lines(ADA, EVE))
    data("user", "create", "bob", "--password-stdin", input=PASSWORD)
    cli("user", "export", "--output", "all.jsonl")
    before = stored()
    for name in ("ada", "bob", "eve"):
        cli("user", "delete", name, "--yes")
    data("user", "import", "all.jsonl")
    unchanging = ("id", "username", "password_hash", "disabled", "claims")
    assert [[getattr(user, name) for name in unchanging] for user in stored()] == [
        [getattr(user, name) for name in unchanging] for user in before
    ]
    assert cli("user", "export").stdout == Path("all.jsonl").read_text()


def test_an_exported_file_is_private_warned_about_and_never_overwritten(
    cli: Callable[..., Result], data: Callable[..., Any], here: Path
) -> None:
    data("user", "import", "-", input=lines(ADA))
    umask = os.umask(0)
    try:
        result = cli("user", "export", "--output", "users.jsonl")
    finally:
        os.umask(umask)
    assert result.stdout == "" and "Exported 1 user. The file contains their password hashes" in result.stderr
    assert stat.S_IMODE(os.stat("users.jsonl").st_mode) == 0o600
    before = Path("users.jsonl").read_text()
    assert "never overwrites a file" in cli("user", "export", "--output", "users.jsonl", code=1).stderr
    assert Path("users.jsonl").read_text() == before
    assert "cannot be written" in cli("user", "export", "--output", "missing/users.jsonl", code=1).stderr


def test_a_client_cannot_take_the_id_of_a_user_rfc9700_4_15(cli: Callable[..., Result], data: Any, here: Path) -> None:
    data("user", "import", "-", input=lines(ADA | {"id": "ada-1"}))
    options = ["--client-id", "ada-1", "--grant", "password", "--auth-method", "none"]
    assert "A user has the id ada-1" in cli("client", "create", "App", *options, code=1).stderr
