"""Settings through `load()`: where they come from, how they are named, and what the whole of them is."""

import base64
import json
import os
import pickle
import tempfile
import threading
from pathlib import Path

import pytest
from pydantic import ValidationError

from authserver.settings import Settings, load
from tests.harness.constants import LONG
from tests.settings.refusals import CANARY, refusal

KEY = base64.urlsafe_b64encode(bytes(range(32))).decode().rstrip("=")
POSTGRES = f"postgresql+psycopg://app:{CANARY}@db.example/auth"


def source_of(settings: Settings, name: str) -> str:
    return next(row["source"] for row in settings.describe() if row["name"] == name)


# Sources


def test_every_default_is_accepted_and_said_to_be_a_default() -> None:
    settings = load()
    assert (settings.issuer, settings.keys_dir, settings.log_level) == ("http://127.0.0.1:8000", Path("keys"), "info")
    assert settings.database_url.get_secret_value() == "sqlite:///authserver.db"
    assert (settings.refresh_retry_window, settings.key_rotation_period) == (30, 90 * 86400)
    assert settings.key_encryption_keys() == ()
    assert settings.warnings() == []
    assert {row["source"] for row in settings.describe()} == {"default"}


def test_flags_win_over_the_environment_dotenv_toml_and_defaults_in_this_order(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = [(load().jwks_max_age, source_of(load(), "jwks_max_age"))]
    (folder / "authserver.toml").write_text("jwks_max_age = 1\n")
    seen.append((load().jwks_max_age, source_of(load(), "jwks_max_age")))
    (folder / ".env").write_text("AUTHSERVER_JWKS_MAX_AGE=2\n")
    seen.append((load().jwks_max_age, source_of(load(), "jwks_max_age")))
    monkeypatch.setenv("AUTHSERVER_JWKS_MAX_AGE", "3")
    seen.append((load().jwks_max_age, source_of(load(), "jwks_max_age")))
    assert load(jwks_max_age=None).jwks_max_age == 3
    settings = load(jwks_max_age=4)
    seen.append((settings.jwks_max_age, source_of(settings, "jwks_max_age")))
    assert seen == [(300, "default"), (1, "authserver.toml"), (2, ".env"), (3, "environment"), (4, "flag")]


def test_settings_made_directly_read_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTHSERVER_JWKS_MAX_AGE", "3")
    monkeypatch.setenv("JWKS_MAX_AGE", "3")
    (folder / ".env").write_text("JWKS_MAX_AGE=2\n")
    assert Settings().jwks_max_age == 300
    assert load().jwks_max_age == 3


def test_every_setting_can_be_set_in_every_source(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = {"key_encryption_key": KEY, "pkcs11_pin": "1234", "audit_webhook_secret": f"whsec_{'A' * 32}"}
    secret["smtp_url"] = "smtps://smtp.example.com"
    optional = {"pkcs11_module": "/module.so", "trusted_proxies": "::1,10.0.0.0/8", "claims_hook": "my_claims:claims"}
    optional |= {"management_address": "[::1]:9100", "fetch_allow": "10.0.0.0/8", "audit_hook": "my_audit:on_event"}
    optional |= {"audit_webhook": "https://hooks.example/", "pages_dir": "pages", "mail_from": "a@example.com"}
    rows = load(**secret, **optional).describe()
    values = {row["name"]: secret.get(row["name"], row["value"]) for row in rows}
    given = load(**values)
    assert {source_of(given, name) for name in values} == {"flag"}
    assert {row["name"]: secret.get(row["name"], row["value"]) for row in given.describe()} == values
    (folder / "authserver.toml").write_text("".join(f"{n} = {json.dumps(v)}\n" for n, v in values.items()))
    assert {row["source"] for row in load().describe()} == {"authserver.toml"}
    (folder / ".env").write_text("".join(f"export AUTHSERVER_{n.upper()}='{v}'\n" for n, v in values.items()))
    assert {row["source"] for row in load().describe()} == {".env"}
    for name, value in values.items():
        monkeypatch.setenv(f"AUTHSERVER_{name.upper()}", str(value))
    assert {row["source"] for row in load().describe()} == {"environment"}


def test_other_peoples_variables_are_left_alone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / ".env").write_text("\ufeffDATABASE_URL=x\nnot a line\nAUTHSERVER_LOG_LEVEL=debug\n", "utf-8")
    links = {"PORT": "tcp://10.0.0.1:80", "SERVICE_HOST": "10.0.0.1", "SERVICE_PORT_HTTP": "80"}
    for name, value in (links | {"PORT_80_TCP": "tcp://10.0.0.1:80", "PORT_80_TCP_PROTO": "tcp"}).items():
        monkeypatch.setenv(f"AUTHSERVER_{name}", value)  # Kubernetes does so beside a service named authserver
    assert load().log_level == "debug"


# Names


def test_a_misspelt_name_is_refused_in_each_source(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTHSERVER_JWKS_MAXAGE", "600")
    (folder / ".env").write_text(f"AUTHSERVER_KEY_ENCRYPTON_KEY={CANARY}\n")
    (folder / "authserver.toml").write_text(f'isuer = "https://login.example"\n[nested]\nissuer = "{CANARY}"\n')
    lines = refusal(log_lvel="debug").splitlines()
    assert lines[:8] == [
        "log_lvel (flag) is not a setting; did you mean log_level? Write:",
        "--log-level=debug",
        "AUTHSERVER_JWKS_MAXAGE (environment) is not a setting; did you mean AUTHSERVER_JWKS_MAX_AGE? Write:",
        "AUTHSERVER_JWKS_MAX_AGE=600",
        "AUTHSERVER_KEY_ENCRYPTON_KEY (.env) is not a setting; did you mean AUTHSERVER_KEY_ENCRYPTION_KEY? Write:",
        "AUTHSERVER_KEY_ENCRYPTION_KEY=...",
        "isuer (authserver.toml) is not a setting; did you mean issuer? Write:",
        'issuer = "https://login.example"',
    ]
    assert lines[8].startswith("nested (authserver.toml) is not a setting")


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("authserver_issuer", "AUTHSERVER_ISSUER"),
        ("Authserver_Issuer", "AUTHSERVER_ISSUER"),
        ("AUTHSERVER_ISSUER_FILE", "AUTHSERVER_ISSUER"),
        ("AUTHSERVER_DATABASE", "AUTHSERVER_DATABASE_URL"),
        ("AUTHSERVER_DATABASE_URI_FILE", "AUTHSERVER_DATABASE_URL_FILE"),
        ("AUTHSERVER_REFRESH_WINDOW", "AUTHSERVER_REFRESH_RETRY_WINDOW"),
    ],
)
def test_a_name_that_is_nearly_right_gets_a_suggestion(name: str, meant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "value")
    message = refusal()
    assert message.startswith(f"{name} (environment) is not a setting; ")
    assert f"did you mean {meant}?" in message
    assert message.splitlines()[-1].startswith(f"{meant}=")


def test_a_name_like_no_setting_gets_the_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTHSERVER_PORT", "8000")
    message = refusal()
    assert "port and workers are flags of authserver serve" in message
    assert "refresh_retry_window" in message


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("ISUER", "https://login.example", "AUTHSERVER_ISSUER=https://login.example"),
        ("ISSUER_URL", "https://login.example", "AUTHSERVER_ISSUER=https://login.example"),
        ("KEYS_DIRR", "/srv/the keys", "AUTHSERVER_KEYS_DIR=/srv/the keys"),
        ("TRUSTED_PROXY", "10.0.0.0/8", "AUTHSERVER_TRUSTED_PROXIES=10.0.0.0/8"),
        ("DATABASE_URI", f"postgresql://as:{CANARY}@db/as", "AUTHSERVER_DATABASE_URL=..."),
        ("PKCS11_PINN", CANARY, "AUTHSERVER_PKCS11_PIN=..."),
        ("PKCS11_TOKEN_PASSWORD", CANARY, "AUTHSERVER_PKCS11_TOKEN=..."),
        ("ISUER", f"https://ada:{CANARY}@login.example", "AUTHSERVER_ISSUER=..."),
        ("DATABASE_URI_FILE", CANARY, "AUTHSERVER_DATABASE_URL_FILE=PATH"),
        ("KEYS_DIRR", f"{CANARY}\n", "AUTHSERVER_KEYS_DIR=keys"),
    ],
)
def test_the_suggested_line_has_the_callers_value_unless_it_may_be_secret(
    name: str, value: str, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"AUTHSERVER_{name}", value)
    assert refusal().splitlines()[-1] == line


# Secrets in files


@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
def test_a_secret_is_read_from_a_file(ending: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "secret").write_bytes(f"{POSTGRES}{ending}".encode())
    (folder / "authserver.toml").write_text('database_url = "sqlite:///other.db"\n')
    monkeypatch.setenv("AUTHSERVER_DATABASE_URL_FILE", "secret")
    assert load().database_url.get_secret_value() == POSTGRES
    assert source_of(load(), "database_url") == "environment, file secret"


def test_one_trailing_newline_is_stripped_and_no_second(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "secret").write_text(f"{POSTGRES}\n\n")
    monkeypatch.setenv("AUTHSERVER_DATABASE_URL_FILE", "secret")
    message = refusal()
    assert message.startswith("AUTHSERVER_DATABASE_URL_FILE (environment, file secret): the value ")
    assert message.splitlines()[-2].endswith("Write into that file:")


@pytest.mark.parametrize("source", ["environment", ".env", "authserver.toml"])
def test_a_secret_and_its_file_together_are_refused(source: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "secret").write_text(KEY)
    pair = {"key_encryption_key": KEY, "key_encryption_key_file": "secret"}
    if source == "environment":
        for name, value in pair.items():
            monkeypatch.setenv(f"AUTHSERVER_{name.upper()}", value)
    elif source == ".env":
        (folder / ".env").write_text("".join(f"AUTHSERVER_{n.upper()}={v}\n" for n, v in pair.items()))
    else:
        (folder / "authserver.toml").write_text("".join(f'{n} = "{v}"\n' for n, v in pair.items()))
    message = refusal()
    assert message.startswith(f"AUTHSERVER_KEY_ENCRYPTION_KEY ({source}): AUTHSERVER_KEY_ENCRYPTION_KEY_FILE is given")
    assert KEY not in message


def test_a_higher_source_outranks_a_lower_ones_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / ".env").write_text("AUTHSERVER_KEY_ENCRYPTION_KEY_FILE=missing\n")
    monkeypatch.setenv("AUTHSERVER_KEY_ENCRYPTION_KEY", KEY)
    assert load().key_encryption_keys() == (bytes(range(32)),)


def test_a_secret_file_that_cannot_be_read_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTHSERVER_DATABASE_URL_FILE", "nowhere")
    (folder / "binary").write_bytes(b"\xff" + CANARY.encode())
    (folder / ".env").write_text("AUTHSERVER_KEY_ENCRYPTION_KEY_FILE=binary\n")
    message = refusal()
    assert "AUTHSERVER_DATABASE_URL_FILE (environment): 'nowhere' cannot be read: No such file or directory" in message
    assert "AUTHSERVER_KEY_ENCRYPTION_KEY_FILE (.env): 'binary' cannot be read: it is not UTF-8 text" in message


@pytest.mark.parametrize("value", [f"{CANARY}://x", f"{CANARY}{KEY}", f"{KEY}=,{CANARY}"])
def test_a_secret_that_stands_where_its_path_belongs_is_not_shown(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTHSERVER_KEY_ENCRYPTION_KEY_FILE", value)
    assert "AUTHSERVER_KEY_ENCRYPTION_KEY_FILE (environment): *** cannot be read" in refusal()


# Files that cannot be read


def test_a_broken_toml_file_is_named(folder: Path) -> None:
    (folder / "authserver.toml").write_text(f"log_level = {CANARY}\n")
    assert refusal().startswith("authserver.toml is not TOML: ")
    assert "text needs quotes" in refusal()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize("name", [".env", "authserver.toml"])
def test_a_file_that_the_user_may_not_read_is_about_permissions(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with tempfile.TemporaryDirectory() as reachable:
        folder = Path(reachable)
        folder.chmod(0o755)
        monkeypatch.chdir(folder)
        (folder / name).touch(0o600)
        os.seteuid(65534)
        try:
            message = refusal()
        finally:
            os.seteuid(0)
        assert message.startswith(f"{folder}/{name}: the user nobody is not permitted to read it;")
        assert message.splitlines()[-1] == f"chown nobody {folder}/{name}" and "log_level" not in message.lower()
        monkeypatch.undo()


@pytest.mark.parametrize("name", [".env", "authserver.toml"])
def test_a_file_that_is_not_text_is_named(name: str, folder: Path) -> None:
    (folder / name).write_bytes(b'log_level = "\xff"\n')
    assert refusal().startswith(f"{name} cannot be read: it is not UTF-8 text")


@pytest.mark.parametrize("line", ["AUTHSERVER_LOG_LEVEL: debug", "export AUTHSERVER_LOG_LEVEL debug"])
def test_a_setting_on_a_line_that_dotenv_would_skip_is_refused(line: str, folder: Path) -> None:
    (folder / ".env").write_text(f"# AUTHSERVER_ISSUER said\n{line}\n")
    assert refusal().startswith("AUTHSERVER_LOG_LEVEL (.env) is on a line that cannot be read")


def test_a_pipe_in_place_of_dotenv_is_read_once(folder: Path) -> None:
    os.mkfifo(folder / ".env")
    writer = threading.Thread(target=(folder / ".env").write_text, args=["AUTHSERVER_LOG_LEVEL=debug\n"], daemon=True)
    writer.start()
    loaded = list[Settings]()
    reader = threading.Thread(target=lambda: loaded.append(load()), daemon=True)  # reading it twice would never end
    reader.start()
    reader.join(LONG)
    assert [settings.log_level for settings in loaded] == ["debug"]


def test_a_name_without_a_value_is_refused(folder: Path) -> None:
    (folder / ".env").write_text("AUTHSERVER_LOG_LEVEL\n")
    assert refusal().startswith("AUTHSERVER_LOG_LEVEL (.env): the value '' is not allowed; allowed: debug, info, ")


# The object


def test_settings_are_frozen_and_survive_pickling() -> None:
    settings = load(database_url=POSTGRES, key_encryption_key=KEY, issuer="https://as.example")
    copy = pickle.loads(pickle.dumps(settings))
    assert copy == settings
    assert copy.describe() == settings.describe()
    assert copy.key_encryption_keys() == settings.key_encryption_keys()
    with pytest.raises(ValidationError):
        settings.issuer = "https://other.example"


def test_every_setting_has_one_line_of_help() -> None:
    rows = load().describe()
    assert [row["variable"] for row in rows] == [f"AUTHSERVER_{name.upper()}" for name in Settings.model_fields]
    assert all(0 < len(row["help"]) <= 110 and "\n" not in row["help"] for row in rows)
    assert json.loads(json.dumps(rows)) == rows
