"""`authserver keys revoke`, `rotate --refresh-keys`, `import`, `export-public` and `rewrap` on the command line."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from joserfc.jwk import RSAKey

from authserver.resource.keys import REVALIDATE

PRIVATE = RSAKey.generate_key(2048)


def pem(bits: int = 2048, password: bytes | None = None) -> bytes:
    encryption = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8)
    return rsa.generate_private_key(65537, bits).private_bytes(*form, encryption)


@pytest.fixture
def kid_of(data: Callable[..., Any]) -> Callable[..., Any]:
    return lambda state: next(key["kid"] for key in data("keys", "list") if key["state"] == state)


def test_a_revoked_active_key_gives_way_to_the_pending_one(
    data: Callable[..., Any], cli: Callable[..., Result], kid_of: Any
) -> None:
    active, pending = kid_of("active"), kid_of("pending")
    done = data("keys", "revoke", active, "--yes")
    new = kid_of("pending")
    assert [(change["change"], change["kid"]) for change in done["changes"]] == [
        ("revoke", active),
        ("promote", pending),
        ("publish", new),
    ]
    assert all(active not in event["jwks"] for event in done["timeline"])
    again = cli("keys", "revoke", active, "--yes")
    assert again.stderr == "The key was already revoked: nothing changed.\n"


def test_a_revocation_tells_what_verifiers_will_see(cli: Callable[..., Result], here: Path, kid_of: Any) -> None:
    active, pending = kid_of("active"), kid_of("pending")
    told = cli("keys", "revoke", active, "--yes").stderr
    assert told.startswith(
        f"Done: {active[:8]} is revoked: it has left the key set, and its private key is destroyed.\n"
    )
    assert f"reject the tokens of {pending[:8]} until they fetch it again" in told
    assert "300 seconds" in told
    assert f"{pending[:8]} signs (RS256)" in cli("keys", "list").stdout


def test_a_revocation_tells_how_long_which_verifiers_still_accept_the_key(
    data: Callable[..., Any], cli: Callable[..., Result], here: Path, kid_of: Any
) -> None:
    told = cli("keys", "revoke", kid_of("active"), "--yes", JWKS_MAX_AGE="200").stderr
    assert "Every server stops publishing the key within 5 seconds." in told
    assert "authserver.resource.Guard, for at most 60 seconds" in told
    assert "APIs made by authserver snippet, for at most 60 seconds" in told
    assert "other verifiers that respect Cache-Control, for at most 200 seconds" in told
    assert "often 5 or 10 minutes" in told
    for more in ([kid_of("pending"), "--dry-run"], ["--all", "--yes"]):
        assert {each["by"]: each["seconds"] for each in data("keys", "revoke", *more)["still_accepted"]} == {
            "authserver.resource.Guard": 60,
            "APIs made by authserver snippet": 60,
            "other verifiers that respect Cache-Control": 300,
        }
    assert REVALIDATE < 60  # what the guard does, test_guard_keys.py holds; what the snippets do, test_snippet.py


def test_a_revoked_pending_key_is_replaced(data: Callable[..., Any], kid_of: Any) -> None:
    active, pending = kid_of("active"), kid_of("pending")
    assert [change["change"] for change in data("keys", "revoke", pending, "--yes")["changes"]] == [
        "revoke",
        "publish",
    ]
    assert kid_of("active") == active


def test_all_replaces_everything_and_says_what_comes_next(
    data: Callable[..., Any], cli: Callable[..., Result], here: Path
) -> None:
    before = data("keys", "list")
    keys = data("keys", "list", "--refresh-keys")
    told = cli("keys", "revoke", "--all", "--yes").stderr
    assert "may cache it for 300 seconds" in told
    assert "All authorizations have ended (0)" in told
    assert told.endswith("    authserver keys rewrap --create\n    authserver keys rewrap\n")
    after = data("keys", "list")
    assert sorted(key["state"] for key in after) == ["active", "pending", "revoked", "revoked"]
    assert {key["kid"] for key in after if key["state"] == "revoked"} == {key["kid"] for key in before}
    used = [key for key in data("keys", "list", "--refresh-keys") if key["used"]]
    assert used[0]["id"] not in {key["id"] for key in keys}


@pytest.mark.parametrize("arguments", [["--all"], ["--refresh-keys"], ["KID"]])
def test_a_dry_run_of_revoke_changes_nothing(data: Callable[..., Any], here: Path, kid_of: Any, arguments: Any) -> None:
    before = data("keys", "list"), data("keys", "list", "--refresh-keys")
    arguments = [kid_of("active")] if arguments == ["KID"] else arguments
    assert data("keys", "revoke", *arguments, "--dry-run")["dry_run"] is True
    assert (data("keys", "list"), data("keys", "list", "--refresh-keys")) == before


def test_keys_that_are_still_to_be_made_are_told_apart(data: Callable[..., Any], here: Path) -> None:
    timeline = data("keys", "revoke", "--all", "--dry-run")["timeline"]
    assert [(event["change"], event["kid"]) for event in timeline] == [
        ("promotable", "new key 2"),
        ("promote", "new key 2"),
        ("destroy", "new key 1"),
        ("remove", "new key 1"),
        ("promotable", "new key 3"),
    ]
    assert timeline[2]["jwks"] == ["new key 2", "new key 3", "new key 1"]


@pytest.mark.parametrize("arguments", [[], ["KID", "--all"], ["--all", "--refresh-keys"]])
def test_revoke_takes_exactly_one_wish(cli: Callable[..., Result], here: Path, arguments: Any) -> None:
    assert "exactly one of KID, --all and --refresh-keys" in cli("keys", "revoke", *arguments, code=2).stderr


@pytest.mark.parametrize("kid", ["nobody", "-nobody"])
def test_an_unknown_key_is_said_to_be_unknown(cli: Callable[..., Result], here: Path, kid: str) -> None:
    for command in (["revoke", "--yes"], ["export-public"]):
        assert f"There is no key {kid}." in cli("keys", *command, kid, code=1).stderr


def test_a_new_refresh_token_key_waits_before_another_one_can_be_made(
    data: Callable[..., Any], cli: Callable[..., Result], here: Path
) -> None:
    assert data("keys", "rotate", "--refresh-keys", "--dry-run")["id"] is None
    assert len(data("keys", "list", "--refresh-keys")) == 1
    new = data("keys", "rotate", "--refresh-keys")
    assert [key["used"] for key in data("keys", "list", "--refresh-keys")] == [True, False]
    assert data("keys", "list", "--refresh-keys")[1]["id"] == new["id"]
    assert new["id"] in cli("keys", "rotate", "--refresh-keys", code=3).stderr
    assert (
        "replaces every refresh-token key, and all authorizations have ended (0)"
        in cli("keys", "revoke", "--refresh-keys", "--yes").stderr
    )


@pytest.mark.parametrize("form", ["pem", "jwk"])
def test_an_imported_key_is_published(
    data: Callable[..., Any], cli: Callable[..., Result], here: Path, kid_of: Any, form: str
) -> None:
    withdrawn = kid_of("pending")
    content = PRIVATE.as_pem(private=True) if form == "pem" else json.dumps(PRIVATE.as_dict(private=True)).encode()
    Path("key").write_bytes(content)
    rehearsed = data("keys", "import", "key", "--dry-run")["changes"]
    assert kid_of("pending") == withdrawn
    assert data("keys", "import", "key")["changes"] == rehearsed
    assert kid_of("pending") == PRIVATE.thumbprint()
    for more in ([], ["--dry-run"]):
        assert "no key is used twice" in cli("keys", "import", "key", *more, code=3).stderr
    told = cli("keys", "rotate", "--emergency").stderr
    assert told.startswith(f"Done: {PRIVATE.thumbprint()[:8]} signs from now on.\nVerifiers that have not fetched ")


def test_an_encrypted_key_takes_its_password_from_stdin(cli: Callable[..., Result], here: Path) -> None:
    Path("key").write_bytes(pem(password=b"open sesame"))
    assert "--password-stdin" in cli("keys", "import", "key", code=1).stderr
    assert "the password is wrong" in cli("keys", "import", "key", "--password-stdin", input="x\n", code=1).stderr
    cli("keys", "import", "key", "--password-stdin", input="open sesame\n")


def test_a_weak_key_and_a_file_without_a_key_are_refused(cli: Callable[..., Result], here: Path, kid_of: Any) -> None:
    before = kid_of("pending")
    Path("key").write_bytes(pem(1024))
    assert "1024 bits" in cli("keys", "import", "key", code=3).stderr
    assert "neither PEM nor JSON" in cli("keys", "import", "-", input=b"hello", code=1).stderr
    assert "both" in cli("keys", "import", "-", "--password-stdin", input="x", code=2).stderr
    cli("keys", "import", "missing", code=2)
    assert kid_of("pending") == before


def test_public_keys_are_exported_as_pem_and_as_jwks(
    data: Callable[..., Any], cli: Callable[..., Result], here: Path, kid_of: Any
) -> None:
    active, pending = kid_of("active"), kid_of("pending")
    assert [key["kid"] for key in data("keys", "export-public")["keys"]] == [active, pending]
    shown = cli("keys", "export-public", pending).stdout
    assert shown.startswith(f"# {pending} (RS256, pending)\n-----BEGIN PUBLIC KEY-----\n")
    assert "PRIVATE" not in cli("keys", "export-public").stdout
    key = RSAKey.import_key(shown.partition("\n")[2])
    assert (key.thumbprint(), key.is_private) == (pending, False)
    cli("keys", "revoke", pending, "--yes")
    assert pending not in json.dumps(data("keys", "export-public"))
    assert data("keys", "export-public", pending)["keys"][0]["kid"] == pending
    assert set(data("keys", "export-public")["keys"][0]) == {"kty", "n", "e", "kid", "alg", "use"}


def test_the_key_encryption_key_is_changed_in_two_steps(
    data: Callable[..., Any], cli: Callable[..., Result], here: Path, kid_of: Any
) -> None:
    old = next(Path("keys").glob("kek-*"))
    assert data("keys", "rewrap")["rewrapped"] == 0
    assert data("keys", "rewrap", "--create", "--dry-run")["path"] is None
    assert list(Path("keys").glob("kek-*")) == [old]
    new = Path(data("keys", "rewrap", "--create")["path"])
    assert new.stat().st_mode & 0o777 == 0o600
    assert data("keys", "rewrap", "--dry-run") == {"dry_run": True, "rewrapped": 3, "older": [str(old)]}
    done = cli("keys", "rewrap")
    assert (
        done.stderr
        == f"Done: 3 keys are wrapped again, under the newest key-encryption key.\nOnly backups still need: {old}\n"
    )
    old.unlink()
    cli("keys", "rotate", "--emergency")
    assert len(data("keys", "list")) == 3


def test_keys_that_are_handed_in_are_not_created_in_the_folder(cli: Callable[..., Result], here: Path) -> None:
    given = "A" * 43
    assert "AUTHSERVER_KEY_ENCRYPTION_KEY" in cli("keys", "rewrap", "--create", code=3, KEY_ENCRYPTION_KEY=given).stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_key_encryption_key_is_not_created_for_the_wrong_user(cli: Callable[..., Result], here: Path) -> None:
    (old,) = Path("keys").iterdir()
    os.chown(old, 65534, -1)
    said = [
        cli("keys", "rewrap", *options, code=78).stderr for options in ([], ["--create"], ["--create", "--dry-run"])
    ]
    assert said[0] == said[1] == said[2] and "sudo -u nobody authserver" in said[0]
    assert list(Path("keys").iterdir()) == [old]


def test_a_key_encryption_key_is_not_created_without_a_database(cli: Callable[..., Result], tmp_path: Path) -> None:
    assert "There is no database" in cli("keys", "rewrap", "--create", code=78).stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", [[], ["list"], ["rotate"], ["revoke"], ["import"], ["export-public"], ["rewrap"]])
def test_every_help_has_two_examples(cli: Callable[..., Result], command: Any) -> None:
    shown = cli("keys", *command, "--help").stdout
    examples = shown.partition("Examples:")[2].partition("Options:")[0]
    assert examples.count(" ".join(["authserver keys", *command])) == 2
