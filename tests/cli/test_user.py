"""authserver user ...: exact forms, and passwords from a terminal or from stdin, never from an argument."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from authserver.provisioning import open_database
from authserver.settings import load
from authserver.store import users
from tests.cli.backups import add_login, add_session, sql
from tests.cli.terminal import converse
from tests.harness.constants import PASSWORD

DB = "authserver.db"


def stored(name: Any) -> Any:
    database = open_database(load())
    with database.begin() as connection:
        user = users.load(connection, name)
    database.close()
    return user


@pytest.fixture
def ada(data: Callable[..., Any]) -> Any:
    return data("user", "create", "ada", "--password-stdin", input=PASSWORD)


def test_create_prints_id_and_username_and_keeps_a_hash(ada: Any) -> None:
    assert set(ada) == {"id", "username"}
    assert ada["username"] == "ada"
    user = stored("ada")
    assert user.id == ada["id"]
    assert user.password_hash.startswith("$argon2id$")


def test_create_tells_in_words_whom_it_created(cli: Callable[..., Result], here: Path) -> None:
    result = cli("user", "create", "Ada", "--password-stdin", input="open sesame\n")
    assert result.stdout == f"Created the user ada ({stored('ada').id}).\n"


@pytest.mark.parametrize("input", ["p a s s \n", "p a s s \r\nsecond line\n", "p a s s "])
def test_the_password_is_the_first_line_of_stdin_with_its_spaces(data: Callable[..., Any], input: str) -> None:
    from argon2 import PasswordHasher

    data("user", "create", "ada", "--password-stdin", input=input)
    assert PasswordHasher().verify(stored("ada").password_hash, "p a s s ")


def test_a_username_is_one_in_all_its_spellings_rfc8265_3_3(
    cli: Callable[..., Result], data: Callable[..., Any], ada: Any
) -> None:
    result = cli("user", "create", "ＡＤＡ", "--password-stdin", input="another one", code=1)
    assert "The user ada already exists" in result.stderr
    assert result.stderr.endswith("authserver user set-password ada\n")
    assert data("user", "show", "ADA")["id"] == ada["id"]


@pytest.mark.parametrize("name", ["", "a b", "a\tb", "x" * 257, "\udcff", "a\x7f"])
def test_a_name_that_no_user_can_have_is_a_usage_error(cli: Callable[..., Result], here: Path, name: str) -> None:
    for arguments in (["create", name, "--password-stdin"], ["show", name], ["disable", name]):
        result = cli("user", *arguments, input="open sesame", code=2)
        assert "RFC 8265" in result.stderr


@pytest.mark.parametrize("password", [b"", b"\n", b"tab\tbed", b"x" * 1025, b"\xff\xfe\n", b"nul\0\n"])
def test_a_password_that_nobody_can_have_is_a_usage_error(
    cli: Callable[..., Result], here: Path, password: bytes
) -> None:
    result = cli("user", "create", "ada", "--password-stdin", input=password, code=2)
    assert "password" in result.stderr
    assert stored("ada") is None


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("7 chars", "it has 7 characters, and the minimum is 8"),
        ("\U0001f468\u200d\U0001f469\u200d\U0001f467", "it has 5 characters"),
        ("baseball", "one of the most common"),
        ("PassWord1", "one of the most common"),
        ("Ada.Lovelace", "is the username"),
    ],
)
@pytest.mark.parametrize("verb", ["create", "set-password"])
def test_a_new_password_that_is_easily_guessed_is_refused_for_operators_too(
    cli: Callable[..., Result], here: Path, verb: str, password: str, why: str
) -> None:
    if verb == "set-password":
        cli("user", "create", "ada.lovelace", "--password-stdin", input=PASSWORD)
    result = cli("user", verb, "ada.lovelace", "--password-stdin", input=password, code=3)
    assert why in result.stderr
    assert password not in result.stderr


def test_the_minimum_length_of_a_new_password_is_a_setting_and_old_ones_stay_valid(
    cli: Callable[..., Result], here: Path
) -> None:
    cli("user", "create", "ada", "--password-stdin", input="eight ch")
    result = cli("user", "set-password", "ada", "--password-stdin", input="eight ch", code=3, PASSWORD_MIN_LENGTH="9")
    assert "the minimum is 9" in result.stderr


def test_without_a_terminal_the_password_must_come_from_stdin_by_name(cli: Callable[..., Result], here: Path) -> None:
    result = cli("user", "create", "ada", input=PASSWORD, code=2)
    assert "--password-stdin" in result.stderr
    assert stored("ada") is None


def test_a_terminal_is_asked_twice_and_shows_nothing_of_it(here: Path) -> None:
    shown = converse("user", "create", "ada", answers={"Password: ": PASSWORD, "Repeat for confirmation: ": PASSWORD})
    assert PASSWORD not in shown
    assert "Created the user ada" in shown
    assert stored("ada") is not None


def test_list_and_show(cli: Callable[..., Result], data: Callable[..., Any], ada: Any) -> None:
    data("user", "create", "bob", "--password-stdin", input="open sesame")
    listed = data("user", "list")
    assert [user["username"] for user in listed] == ["ada", "bob"]
    assert set(listed[0]) == {"id", "username", "disabled", "created_at"}
    assert data("user", "show", "ada") == listed[0] | {"delete_at": None, "claims": {}}
    assert "$argon2" not in cli("user", "list").stdout + cli("user", "show", "ada").stdout


def test_claims_are_replaced_shown_and_removed(cli: Callable[..., Result], data: Callable[..., Any], ada: Any) -> None:
    claims = {"roles": ["editor"], "tenant": {"id": 7, "name": "é"}}
    assert data("user", "set-claims", "ADA", input=json.dumps(claims)) == {"username": "ada", "claims": claims}
    assert data("user", "show", "ada")["claims"] == claims
    assert cli("user", "set-claims", "ada", input='{"roles": ["editor"]}').stderr == "Set 1 claim of ada.\n"
    assert 'claims: {"roles":["editor"]}\n' in cli("user", "show", "ada").stdout
    assert cli("user", "set-claims", "ada", input="{}").stdout == ""
    assert data("user", "show", "ada")["claims"] == {} and "claims: -\n" in cli("user", "show", "ada").stdout


@pytest.mark.parametrize(
    ("input", "why"),
    [
        ("", "not a JSON object"),
        ("[]", "not a JSON object"),
        ('{"a": 1, "a": 2}', "A member is repeated"),
        ('{"a": NaN}', "NaN is not JSON"),
        (b'{"a": "\xff"}', "not a JSON object"),
        ('{"sub": "u_eve"}', "The claim name 'sub' is reserved. Reserved are: "),
        ('{"a b": 1}', "The claim name 'a b' is not valid"),
        (json.dumps({"a": "x" * 4096}), "The maximum is 4096"),
        ('{"a": ' + "[" * 9 + "]" * 9 + "}", "The maximum is 8 levels"),
        ('{"a":' * 100_000, "nested too deeply"),
    ],
)
def test_claims_that_no_token_may_contain_are_a_usage_error(
    cli: Callable[..., Result], data: Callable[..., Any], ada: Any, input: Any, why: str
) -> None:
    data("user", "set-claims", "ada", input='{"roles": ["editor"]}')
    assert why in cli("user", "set-claims", "ada", input=input, code=2).stderr
    assert data("user", "show", "ada")["claims"] == {"roles": ["editor"]}


ENDINGS = {
    "user_disabled": ["disable", "ada"],
    "logins_ended": ["end-logins", "ada"],
    "password_changed": ["set-password", "ada", "--password-stdin"],
}
WORDS = {
    "user_disabled": "user disabled",
    "logins_ended": "all logins ended by an operator",
    "password_changed": "password changed by an operator",
}
ENDED = {"username": "ada", "authorizations_ended": 2, "sessions_ended": 1}


@pytest.fixture
def active(ada: Any) -> Callable[..., Any]:
    """Of ada: two active logins, three that are over in different ways, and two sessions, one of them ended."""

    def active() -> int:
        return sum(reason is None for _, reason in logins())

    for id, members in enumerate(({}, {}, {"revoked_at": 1}, {"idle_expires_at": 1}, {"credential_version": 7})):
        add_login(DB, id, ada["id"], **members)
    uri = '{"backchannel_logout_uri": "https://app.example/"}'
    sql(DB, "UPDATE clients SET client_metadata = ? WHERE id = 'first-party'", uri)
    for number, ended_at in ((1, None), (2, 1)):
        add_session(DB, number, ada["id"], ended_at=ended_at)
        sql(DB, "INSERT INTO session_clients VALUES (?, 'first-party')", number.to_bytes(16))
    return active


def told() -> Any:
    """Which clients are told of which sessions of whom."""
    return sql(DB, "SELECT queue, session_id, user_id FROM outbox")


def session_ends() -> Any:
    """What the audit trail says of the ends of sessions."""
    return [detail for (detail,) in sql(DB, "SELECT detail FROM events WHERE event = 'session_ended'")]


def logins() -> Any:
    return sql(DB, "SELECT id, revoked_reason FROM authorizations ORDER BY id")


@pytest.mark.parametrize("reason", ENDINGS)
def test_what_ends_a_users_logins_says_how_many(data: Callable[..., Any], ada: Any, active: Any, reason: Any) -> None:
    assert data("user", *ENDINGS[reason], input="another password") == ENDED
    assert [why for _, why in logins()] == [reason, reason, None, None, None]
    assert stored("ada").credential_version == 1
    assert sql(DB, "SELECT count(*) FROM sessions WHERE ended_at IS NULL") == [(0,)]
    assert told() == [("logout first-party", (1).to_bytes(16), ada["id"])]
    assert session_ends() == [f"{WORDS[reason]}; sid {(1).to_bytes(16).hex()}"]
    assert data("user", *ENDINGS[reason], input="another password")["authorizations_ended"] == 0


def test_nobody_elses_logins_end(cli: Callable[..., Result], data: Callable[..., Any], ada: Any) -> None:
    bob = data("user", "create", "bob", "--password-stdin", input="another password")
    add_login(DB, 1, bob["id"])
    assert cli("user", "end-logins", "ada").stderr == "Ended 0 authorizations.\n"
    assert logins() == [(bytes(15) + b"\1", None)]
    assert stored("bob").credential_version == 0


def test_disable_ends_authorizations_and_enable_does_not_restore_them(
    cli: Callable[..., Result], data: Callable[..., Any], ada: Any
) -> None:
    add_login(DB, 1, ada["id"])
    assert cli("user", "disable", "ada").stderr == "ada is disabled. Ended 1 authorization.\n"
    assert data("user", "show", "ada")["disabled"] is True
    assert cli("user", "enable", "ada").stdout == ""
    assert data("user", "show", "ada")["disabled"] is False
    [(row, revoked_reason)] = logins()
    assert revoked_reason == "user_disabled" and stored("ada").credential_version == 1


@pytest.mark.parametrize("verb", ["enable", "disable"])
def test_whoever_asked_to_be_deleted_is_told_that_an_operator_cancelled_it(
    cli: Callable[..., Result], data: Callable[..., Any], ada: Any, verb: str
) -> None:
    claims = {"email": "ada@example.com", "email_verified": True, "locale": "de-AT"}
    cli("user", "set-claims", "ada", input=json.dumps(claims))
    sql(DB, "UPDATE users SET disabled = true, delete_at = 7")
    cli("user", verb, "ada", SMTP_URL="file:mails", MAIL_FROM="no-reply@example.com")
    assert data("user", "show", "ada")["delete_at"] is None
    [(content, user_id)] = sql(DB, "SELECT content, user_id FROM outbox")
    mail = json.loads(content)
    assert (mail["template"], mail["address"], mail["language"]) == ("deletion_cancelled", "ada@example.com", "de")
    assert (mail["values"], user_id) == ({"username": "ada", "by_operator": True}, ada["id"])
    (event,) = data("audit", "list", "--event", "user_deletion_cancelled")
    assert event["actor"].startswith("os:") and event["user"] == "ada"
    cli("user", verb, "ada", SMTP_URL="file:mails", MAIL_FROM="no-reply@example.com")
    assert len(sql(DB, "SELECT 1 FROM outbox")) == 1


def test_without_mail_a_deletion_that_is_cancelled_leaves_no_message(cli: Callable[..., Result], ada: Any) -> None:
    cli("user", "set-claims", "ada", input='{"email": "ada@example.com", "email_verified": true}')
    sql(DB, "UPDATE users SET disabled = true, delete_at = 7")
    cli("user", "enable", "ada")
    assert sql(DB, "SELECT 1 FROM outbox") == [] and stored("ada").delete_at is None


def test_a_deleted_user_takes_the_logins_along_and_can_be_created_again(
    cli: Callable[..., Result], data: Callable[..., Any], ada: Any, active: Any
) -> None:
    assert data("user", "delete", "ada", "--dry-run") == ENDED
    assert len(logins()) == 5
    assert data("user", "delete", "ada", "--yes") == ENDED
    assert logins() == [] and stored("ada") is None
    assert session_ends() == [f"user deleted; sid {(1).to_bytes(16).hex()}"]
    assert told() == [("logout first-party", (1).to_bytes(16), ada["id"])]
    assert data("user", "create", "ada", "--password-stdin", input=PASSWORD)["id"] != ada["id"]


def test_set_password_changes_the_password_alone(cli: Callable[..., Result], ada: Any) -> None:
    before = stored("ada")
    assert cli("user", "set-password", "ada", "--password-stdin", input="a new one").stdout == ""
    after = stored("ada")
    assert after.credential_version == before.credential_version + 1
    assert after.password_hash != before.password_hash


@pytest.mark.parametrize("verb", ["show", "disable", "enable", "set-password", "end-logins", "delete", "set-claims"])
def test_nobody_is_an_error_that_says_how_to_see_them_all(cli: Callable[..., Result], here: Path, verb: str) -> None:
    more = ["--password-stdin"] if verb == "set-password" else []
    result = cli("user", verb, "nobody", *more, input="{}" if verb == "set-claims" else "open sesame", code=1)
    assert result.stderr.endswith("authserver user list\n")
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("claims", "words"),
    [
        ({"name": "Ada \u202eecalevoL"}, "'name' must be a string of 1 to 256 characters, without control characters"),
        ({"picture": "javascript:alert(1)"}, "'picture' must be an http or https URL with a host"),
        ({"birthdate": "2999-12-31"}, "'birthdate' must be a date in the past"),
    ],
)
def test_standard_claims_that_could_mislead_are_refused_in_words(
    cli: Callable[..., Result], ada: Any, claims: dict[str, str], words: str
) -> None:
    assert words in cli("user", "set-claims", "ada", input=json.dumps(claims), code=2).stderr
    line = json.dumps({"username": "bob", "password_hash": stored("ada").password_hash, "claims": claims})
    assert words in cli("user", "import", "-", input=line, code=1).stderr
