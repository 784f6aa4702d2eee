"""authserver token inspect: what a token is, whether it is valid here, and why not. Nothing is changed."""

import json
import os
import pty
import select
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from starlette.testclient import TestClient

from authserver.provisioning import open_database
from authserver.settings import Settings
from tests.harness.clock import Clock
from tests.harness.constants import AUDIENCE, ISSUER, LONG, SECRET
from tests.harness.process import environment_with
from tests.harness.sample_database import populated, settings_in
from tests.web.answers import claims_of
from tests.web.serving import change_client, everything, execute

START = "2027-01-15T08:00:00Z"
OVER = "Its authorization has ended."
FORGED = "It is forged: it names an authorization of this server, but this server did not issue it."
NO_LOGIN = (
    "Its authorization is not in this database: it belongs to another server, it ended and was deleted, or the "
    "database was restored from a backup that is older than the login."
)
NOT_OURS = "No published key of this server signed it as an access token."
NEITHER = "It is neither a refresh token (rt_ and 72 characters) nor a JWT."
REPLACED = "It was replaced, and its retry window is over: presenting it is reuse and ends the authorization."


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory, password_hash: str) -> Any:
    """A folder with the database and the keys of tests/conftest.py, to be copied."""
    folder, clock = tmp_path_factory.mktemp("prepared"), Clock()
    populated(settings_in(folder), clock, password_hash).close()
    return folder


@pytest.fixture
def database(prepared: Any, tmp_path: Path, settings: Settings, clock: Clock) -> Iterator[Any]:
    shutil.copytree(prepared, tmp_path, dirs_exist_ok=True)
    database = open_database(settings, clock)
    yield database
    database.close()


@pytest.fixture
def variables(settings: Settings) -> Any:
    url = settings.database_url.get_secret_value()
    return {"ISSUER": ISSUER, "DATABASE_URL": url, "KEYS_DIR": str(settings.keys_dir)}


@pytest.fixture
def inspect(
    cli: Callable[..., Result], database: Any, variables: Any, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Any]:
    """`inspect(token, code=1)`: what it says with --json; whatever it is, the database is as before."""
    monkeypatch.setattr("authserver.system.now", clock)

    def inspect(token: Any, code: Any = 0, *arguments: Any, **more: Any) -> Any:
        before = everything(database)
        result = cli("token", "inspect", "--json", *arguments, input=token, code=code, **variables | more)
        assert everything(database) == before
        assert result.stderr == ""
        found = json.loads(result.stdout)
        assert found["valid"] is (code == 0) and found["valid"] is (found["reasons"] == [])
        return found

    return inspect


@pytest.fixture
def rotated(login: Callable[..., Any], token: Callable[..., Any]) -> Any:
    """The refresh tokens of three generations, of the confidential client `web`."""
    tokens = [login("web")["refresh_token"]]
    for _ in range(2):
        tokens.append(token("refresh_token", "web", refresh_token=tokens[-1]).json()["refresh_token"])
    return tokens


def test_a_users_access_token_is_valid_and_shown_with_its_claims(inspect: Any, login: Callable[..., Any]) -> None:
    body = login("app")
    assert inspect(body["access_token"]) == {
        "kind": "access token",
        "valid": True,
        "reasons": [],
        "claims": claims_of(body),
        "iat": START,
        "exp": "2027-01-15T08:15:00Z",
        "auth_time": START,
    }


def test_a_clients_own_access_token_is_shown_with_its_claims(inspect: Any, token: Callable[..., Any]) -> None:
    body = token("client_credentials", "web").json()
    found = inspect(body["access_token"] + "\n")
    assert (found["kind"], found["claims"]) == ("access token", claims_of(body))


def test_the_newest_refresh_token_is_valid_and_shown_with_its_row(inspect: Any, rotated: Any) -> None:
    assert inspect(rotated[-1]) == {
        "kind": "refresh token",
        "valid": True,
        "reasons": [],
        "client_id": "web",
        "subject": "u_ada",
        "scope": "read write",
        "generation": 2,
        "newest_generation": 2,
        "rotated_at": START,
        "idle_end": "2027-01-22T08:00:00Z",
        "absolute_end": "2027-02-14T08:00:00Z",
        "revoked_at": None,
    }


def test_the_previous_refresh_token_is_valid_until_its_window_ends(inspect: Any, rotated: Any, clock: Clock) -> None:
    clock.forward(29.999999)
    assert inspect(rotated[1])["generation"] == 1
    clock.forward(0.000001)
    assert inspect(rotated[1], 1)["reasons"] == [REPLACED]


def test_a_replayed_refresh_token_ends_no_login_here(inspect: Any, rotated: Any, token: Callable[..., Any]) -> None:
    assert inspect(rotated[0], 1)["reasons"] == [REPLACED]
    assert token("refresh_token", "web", refresh_token=rotated[-1]).status_code == 200


def test_without_rotation_the_first_generation_stays_valid(
    inspect: Any, database: Any, login: Callable[..., Any]
) -> None:
    change_client(database, "web", policy={"rotation": False})
    assert inspect(login("web")["refresh_token"])["generation"] == 0


def test_the_clients_own_window_counts(inspect: Any, database: Any, rotated: Any, clock: Clock) -> None:
    change_client(database, "web", policy={"refresh_retry_window": 5})
    clock.forward(5)
    assert inspect(rotated[1], 1)["reasons"] == [REPLACED]


def test_a_refresh_token_ahead_of_its_row_means_lost_commits(inspect: Any, database: Any, rotated: Any) -> None:
    execute(database, "UPDATE authorizations SET generation = 1")
    (reason,) = inspect(rotated[2], 1)["reasons"]
    assert reason.startswith("It is newer than its row: the database lost commits")


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        (
            "UPDATE authorizations SET revoked_at = 1800000000000000, revoked_reason = 'reuse'",
            f"Its authorization has ended: revoked by reuse at {START}.",
        ),
        (
            "UPDATE authorizations SET idle_expires_at = 1",
            "Its authorization has ended: idle for 7 days, ended at 1970-01-01T00:00:00Z.",
        ),
        ("UPDATE users SET disabled = 1", "Its authorization has ended: user disabled."),
        ("DELETE FROM users", NO_LOGIN),
        ("UPDATE users SET credential_version = 1", "Its authorization has ended: password changed."),
        ("UPDATE clients SET disabled = 1 WHERE id = 'web'", "Its client is disabled or deleted."),
        ("DELETE FROM clients WHERE id = 'web'", NO_LOGIN),
        ("DELETE FROM authorizations", NO_LOGIN),
    ],
)
def test_why_a_refresh_token_is_not_good(
    inspect: Any, database: Any, rotated: Any, statement: str, reason: str
) -> None:
    execute(database, statement)
    assert inspect(rotated[-1], 1)["reasons"] == [reason]


def test_a_forged_refresh_token_is_called_forged(inspect: Any, rotated: Any) -> None:
    last = "A" if rotated[-1][-1] != "A" else "B"
    assert inspect(rotated[-1][:-1] + last, 1) == {"kind": "refresh token", "valid": False, "reasons": [FORGED]}


def test_a_refresh_token_of_another_server_has_no_login_here(inspect: Any) -> None:
    assert inspect("rt_AQ" + "A" * 70, 1)["reasons"] == [NO_LOGIN]


@pytest.mark.parametrize("text", ["", "\n", "x", "rt_", "rt_" + "A" * 72, "a.b", "é", "a" * 100_000, "Bearer x"])
def test_what_is_no_token(inspect: Any, text: str) -> None:
    assert inspect(text, 1) == {"kind": "unknown", "valid": False, "reasons": [NEITHER]}


def test_bytes_that_are_no_text(inspect: Any) -> None:
    assert inspect(b"\xff\xfe\0", 1)["kind"] == "unknown"


@pytest.mark.parametrize("text", ["a.b.c", "..", "eyJhbGciOiJub25lIn0.e30.", "é.é.é"])
def test_a_jwt_of_somebody_else_is_not_ours(inspect: Any, text: str) -> None:
    assert inspect(text, 1) == {"kind": "JWT", "valid": False, "reasons": [NOT_OURS]}


def test_a_changed_access_token(inspect: Any, login: Callable[..., Any]) -> None:
    header, payload, signature = login("app")["access_token"].split(".")
    middle = "A" if signature[100] != "A" else "B"
    assert inspect(f"{header}.{payload}.{signature[:100]}{middle}{signature[101:]}", 1)["reasons"] == [NOT_OURS]


def test_an_expired_access_token_is_told_when_it_expired(inspect: Any, login: Callable[..., Any], clock: Clock) -> None:
    text = login("app")["access_token"]
    clock.forward(899.999999)
    assert inspect(text)["exp"] == "2027-01-15T08:15:00Z"
    clock.forward(0.000001)
    assert inspect(text, 1)["reasons"] == ["It expired at 2027-01-15T08:15:00Z."]


@pytest.mark.parametrize(
    ("statement", "reasons"),
    [
        ("UPDATE authorizations SET revoked_at = 1, revoked_reason = 'revoked'", [OVER]),
        ("DELETE FROM authorizations", [OVER]),
        ("UPDATE users SET disabled = 1", ["Its user is disabled or has another password now."]),
        ("UPDATE users SET credential_version = 1", ["Its user is disabled or has another password now."]),
        ("UPDATE clients SET disabled = 1 WHERE id = 'app'", ["Its client is disabled or deleted."]),
        ("DELETE FROM clients WHERE id = 'app'", ["Its client is disabled or deleted.", OVER]),
        ("UPDATE signing_keys SET state = 'revoked', revoked_at = 1 WHERE state = 'active'", [NOT_OURS]),
    ],
)
def test_why_an_access_token_is_not_good(
    inspect: Any, database: Any, login: Callable[..., Any], statement: str, reasons: Any
) -> None:
    text = login("app")["access_token"]
    execute(database, statement)
    assert inspect(text, 1)["reasons"] == reasons


def test_an_access_token_that_was_denied(inspect: Any, http: TestClient, token: Callable[..., Any]) -> None:
    text = token("client_credentials", "web").json()["access_token"]
    http.post("/revoke", data={"client_id": "web", "client_secret": SECRET, "token": text})
    assert inspect(text, 1)["reasons"] == ["This access token was revoked."]


def test_an_access_token_of_the_issuer_that_this_server_was_before(inspect: Any, login: Callable[..., Any]) -> None:
    found = inspect(login("app")["access_token"], 1, ISSUER="https://new.example")
    assert found["reasons"] == [f"Its issuer is {ISSUER}, not https://new.example."]


def test_every_reason_is_told(inspect: Any, database: Any, login: Callable[..., Any], clock: Clock) -> None:
    text = login("app")["access_token"]
    execute(database, "UPDATE users SET disabled = 1")
    execute(database, "UPDATE clients SET disabled = 1")
    clock.forward(900)
    assert len(inspect(text, 1)["reasons"]) == 3


def test_tokens_are_described_in_words(
    cli: Callable[..., Result], inspect: Any, rotated: Any, login: Callable[..., Any], variables: Any, clock: Clock
) -> None:
    good = cli("token", "inspect", input=rotated[-1], **variables).stdout
    assert good.splitlines()[:2] == ["refresh token: valid", "client_id: web"]
    assert "newest_generation: 2" in good.splitlines()
    bad = cli("token", "inspect", input=rotated[0], code=1, **variables).stdout
    assert bad.splitlines()[:2] == ["refresh token: not valid", f"  {REPLACED}"]
    access = cli("token", "inspect", input=login("app")["access_token"], **variables).stdout
    assert access.splitlines()[0] == "access token: valid"
    assert {f"aud: {AUDIENCE}", "sub: u_ada", f"iat: {START}"} <= set(access.splitlines())


def test_a_token_is_never_an_argument(cli: Callable[..., Result], inspect: Any, rotated: Any, variables: Any) -> None:
    result = cli("token", "inspect", rotated[-1], code=2, **variables)
    assert result.stdout == ""


def test_the_token_itself_is_never_shown(
    cli: Callable[..., Result], inspect: Any, rotated: Any, login: Callable[..., Any], variables: Any
) -> None:
    for text in (rotated[-1], rotated[0], login("app")["access_token"]):
        for arguments in ((), ("--json",)):
            code = 1 if text == rotated[0] else 0
            shown = cli("token", "inspect", *arguments, input=text, code=code, **variables).output
            assert text not in shown and text.split(".")[-1] not in shown


def test_at_a_terminal_it_is_asked_for_and_not_echoed(database: Any, variables: Any) -> None:
    terminal, keyboard = pty.openpty()
    text = "rt_AQ" + "A" * 70
    command = [sys.executable, "-m", "authserver", "token", "inspect", "--json"]
    with subprocess.Popen(
        command,
        stdin=keyboard,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment_with(variables),
        start_new_session=True,
    ) as process:
        assert process.stderr is not None
        assert process.stderr.read(7) == b"Token: "  # by now the terminal echoes nothing
        os.write(terminal, f"{text}\n".encode())
        shown, talk = process.communicate(timeout=LONG)
    echoed = os.read(terminal, 1000) if select.select([terminal], [], [], 0)[0] else b""
    os.close(keyboard)
    os.close(terminal)
    assert (process.returncode, json.loads(shown)["reasons"]) == (1, [NO_LOGIN])
    assert text.encode() not in shown + talk + echoed
