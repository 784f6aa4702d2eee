"""Settings through `load()`: database URLs and keys, and that no secret is ever shown."""

import base64
import json
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError

from authserver.provisioning import open_key_encryption_keys
from authserver.settings import Settings, load
from authserver.settings import values as settings_values
from tests.settings.refusals import CANARY, refusal

KEY = base64.urlsafe_b64encode(bytes(range(32))).decode().rstrip("=")
OLDER = base64.urlsafe_b64encode(bytes(range(32, 64))).decode()
POSTGRES = f"postgresql+psycopg://app:{CANARY}@db.example/auth"


# Secrets


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:///authserver.db",
        "sqlite:////var/lib/authserver/a b@c.db",
        "postgresql+psycopg://localhost/auth",
        "postgresql+psycopg:///auth?host=/run/postgresql",
        "postgresql+psycopg://app:p%40ss@[::1]:5432/auth?sslmode=verify-full",
    ],
)
def test_database_urls_that_are_accepted(url: str) -> None:
    assert load(database_url=url).database_url.get_secret_value() == url


@pytest.mark.parametrize(
    ("url", "scheme"),
    [
        (f"postgres://app:{CANARY}@db/auth", "postgresql+psycopg://"),
        (f"postgresql://app:{CANARY}@db/auth", "postgresql+psycopg://"),
        (f"postgresql+psycopg://app:{CANARY}@{CANARY}@db/auth", "postgresql+psycopg://"),
        (f"postgresql+psycopg://app:{CANARY}@db:port/auth", "postgresql+psycopg://"),
        (f"postgresql+psycopg://app:{CANARY}@db/auth\n", "postgresql+psycopg://"),
        (f"postgresql+asyncpg://app:{CANARY}@db/auth", "postgresql+psycopg://"),
        (f"mysql://app:{CANARY}@db/auth", "sqlite:///"),
        (f"sqlite://{CANARY}.db", "sqlite:///"),
        (f"{CANARY}", "sqlite:///"),
        ("", "sqlite:///"),
    ],
)
def test_database_urls_that_are_refused(url: str, scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTHSERVER_DATABASE_URL", url)
    assert refusal().splitlines()[-1].startswith(f"AUTHSERVER_DATABASE_URL={scheme}")


@pytest.mark.parametrize(
    ("url", "masked"),
    [
        (POSTGRES, "postgresql+psycopg://app:***@db.example/auth"),
        (f"postgresql+psycopg://app:a/?:{CANARY}@db:1/a", "postgresql+psycopg://app:***@db:1/a"),
        (f"postgresql+psycopg://app:?passx=1&{CANARY}@db:1/a", "postgresql+psycopg://app:***@db:1/a"),
        (
            f"postgresql+psycopg:///a?user=u&password={CANARY}&sslmode=require",
            "postgresql+psycopg:///a?user=u&password=***&sslmode=require",
        ),
        (
            f"postgresql+psycopg://h:1/a?sslPassword=x@{CANARY}",
            "postgresql+psycopg://h:1/a?sslPassword=***",
        ),
        ("sqlite:////c:/a@b.db", "sqlite:////c:/a@b.db"),
    ],
)
def test_only_the_password_of_a_database_url_is_masked(url: str, masked: str) -> None:
    settings = load(database_url=url)
    assert next(row["value"] for row in settings.describe() if row["name"] == "database_url") == masked
    assert CANARY not in f"{settings!r}{settings}{json.dumps(settings.describe())}"


@given(st.text(st.characters(exclude_characters="@", exclude_categories=["Cc", "Cs", "Z"]), max_size=20))
def test_no_password_shows_through_the_mask(password: str) -> None:
    url = f"postgresql+psycopg://app:{password}{CANARY}{password}@db/auth"
    assert settings_values.masked_url(url) == "postgresql+psycopg://app:***@db/auth"


def test_key_encryption_keys_are_decoded_newest_first() -> None:
    settings = load(key_encryption_key=f"{KEY}, {OLDER}")
    assert settings.key_encryption_keys() == (bytes(range(32)), bytes(range(32, 64)))
    assert next(row["value"] for row in settings.describe() if row["name"] == "key_encryption_key") == "***"


def test_the_first_of_several_keys_wraps_and_the_others_still_unwrap() -> None:
    newest, older = (open_key_encryption_keys(load(key_encryption_key=key)) for key in (KEY, OLDER))
    both = open_key_encryption_keys(load(key_encryption_key=f"{KEY},{OLDER}"))
    assert newest.unwrap("row", both.wrap("row", b"secret")) == both.unwrap("row", older.wrap("row", b"secret"))
    assert both.older == ["AUTHSERVER_KEY_ENCRYPTION_KEY 0"]


@given(st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=4))
def test_any_keys_of_32_bytes_come_back(keys: list[bytes]) -> None:
    text = ",".join(base64.urlsafe_b64encode(key).decode() for key in keys)
    assert load(key_encryption_key=text).key_encryption_keys() == tuple(keys)


@pytest.mark.parametrize(
    "keys",
    [
        "",
        ",",
        f"{KEY},",
        f"{KEY[:-1]}",
        f"{KEY}A",
        f"{KEY}==",
        f"{KEY[:-1]}9",  # the last character's spare bits are not zero
        f"{KEY} {OLDER}",
        f"/{KEY[1:]}",
        f"é{KEY[1:]}",
        CANARY,
        f"{KEY},{CANARY}",
    ],
)
def test_key_encryption_keys_that_are_refused(keys: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTHSERVER_KEY_ENCRYPTION_KEY", keys)
    message = refusal()
    assert message.splitlines()[-1] == "AUTHSERVER_KEY_ENCRYPTION_KEY=NEWEST_KEY,OLDER_KEY"
    assert KEY[1:-1] not in message


def test_secrets_are_in_no_text_of_the_settings() -> None:
    settings = load(database_url=POSTGRES, key_encryption_key=KEY)
    copy = pickle.loads(pickle.dumps(settings))
    for each in (settings, copy):
        text = f"{each!r}{each}{each.describe()}{each.warnings()}{each.model_dump()}{each.model_dump_json()}"
        assert CANARY not in text and KEY not in text


def test_settings_made_directly_do_not_show_what_they_refuse() -> None:
    with pytest.raises(ValidationError) as caught:
        Settings(
            database_url=SecretStr(f"mysql://{CANARY}"), key_encryption_key=SecretStr(CANARY), issuer=f"ftp://{CANARY}"
        )
    assert CANARY not in str(caught.value)
