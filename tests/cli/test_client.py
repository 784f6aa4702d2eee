"""authserver client ...: exact forms, secrets shown once and kept as a hash."""

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from authserver.provisioning import open_database
from authserver.settings import load
from authserver.store import clients, signing_keys

MACHINE = ["client", "create", "Machine", "--grant", "client_credentials"]
APP = ["client", "create", "My app", "--grant", "password", "--grant", "refresh_token", "--auth-method", "none"]


def in_store(look: Any) -> Any:
    database = open_database(load())
    with database.begin() as connection:
        found = look(connection)
    database.close()
    return found


def stored(client_id: Any) -> Any:
    return in_store(lambda connection: clients.load(connection, client_id))


def test_create_prints_id_and_secret_and_keeps_its_hash(data: Callable[..., Any]) -> None:
    created = data(*MACHINE)
    assert set(created) == {"client_id", "client_secret"}
    (secret,) = stored(created["client_id"]).secrets
    assert secret.hash == sha256(created["client_secret"].encode()).digest()
    assert secret.expires_at is None
    assert len(created["client_secret"]) == 43


def test_a_public_client_has_no_secret(data: Callable[..., Any], cli: Callable[..., Result]) -> None:
    created = data(*APP)
    assert created["client_secret"] is None
    assert stored(created["client_id"]).secrets == ()
    assert "client_secret" not in cli(*APP).stdout


EVERYTHING = [
    *("--redirect-uri", "https://app.example/back", "--redirect-uri", "com.example.app:/back"),
    *("--audience", "https://api.example", "--audience", "urn:example:other"),
    *("--access-token-ttl", "60", "--refresh-retry-window", "0"),
    *("--refresh-idle-ttl", "120", "--refresh-absolute-ttl", "180"),
    *("--auth-method", "client_secret_post", "--no-rotation", "--access-token-alg", "PS256"),
    *("--max-authorizations", "3", "--user-address-header", "x-user-address"),
    *("--access-token-claim", "roles", "--access-token-claim", "https://app.example/tenant"),
    *("--id-token-claim", "groups", "--id-token-claim", "roles"),
    *("--access-token-typ", "JWT", "--web-origin", "https://app.example", "--web-origin", "http://[::1]:3000"),
    *("--id-token-alg", "ES256", "--userinfo-alg", "RS256", "--first-party", "--pkce", "optional"),
    *("--client-uri", "https://app.example/", "--logo-uri", "https://app.example/logo.svg"),
    *("--policy-uri", "https://app.example/privacy", "--tos-uri", "https://app.example/terms"),
    *("--post-logout-redirect-uri", "https://app.example/bye", "--scope", "read openid"),
    *("--backchannel-logout-uri", "https://app.example/out", "--backchannel-logout-session-required"),
    *("--subject-type", "pairwise", "--sector-identifier-uri", "https://app.example"),
]


def test_create_takes_everything_that_a_client_has(data: Callable[..., Any]) -> None:
    created = data(*APP[:-2], *EVERYTHING)
    shown = data("client", "show", created["client_id"])
    ends = shown.pop("created_at"), shown.pop("secrets_end_at")
    assert ends[1] == [None]
    assert shown == {
        "client_id": created["client_id"],
        "name": "My app",
        "auth_method": "client_secret_post",
        "grant_types": ["password", "refresh_token"],
        "scope": "read openid",
        "audiences": ["https://api.example", "urn:example:other"],
        "redirect_uris": ["https://app.example/back", "com.example.app:/back"],
        "disabled": False,
        "access_token_ttl": 60,
        "refresh_retry_window": 0,
        "refresh_idle_ttl": 120,
        "refresh_absolute_ttl": 180,
        "rotation": False,
        "max_authorizations": 3,
        "access_token_alg": "PS256",
        "access_token_typ": "JWT",
        "web_origins": ["https://app.example", "http://[::1]:3000"],
        "access_token_claims": ["roles", "https://app.example/tenant"],
        "id_token_claims": ["groups", "roles"],
        "user_address_header": "x-user-address",
        "id_token_alg": "ES256",
        "userinfo_alg": "RS256",
        "application_type": "web",
        "pkce": "optional",
        "first_party": True,
        "client_uri": "https://app.example/",
        "logo_uri": "https://app.example/logo.svg",
        "policy_uri": "https://app.example/privacy",
        "tos_uri": "https://app.example/terms",
        "post_logout_redirect_uris": ["https://app.example/bye"],
        "backchannel_logout_uri": "https://app.example/out",
        "backchannel_logout_session_required": True,
        "subject_type": "pairwise",
        "sector_identifier_uri": "https://app.example",
    }


@pytest.mark.parametrize(
    "wrong",
    [
        ["--grant", "implicit"],
        ["--auth-method", "private_key"],
        ["--auth-method", "none"],
        ["--grant", "password", "--auth-method", "none", "--no-rotation"],
        ["--scope", 'say "hi"'],
        ["--audience", "/relative"],
        ["--audience", "https://api.example#fragment"],
        ["--redirect-uri", "https://app.example/a b"],
        ["--redirect-uri", "no-uri"],
        ["--web-origin", "https://app.example/"],
        ["--web-origin", "*"],
        ["--access-token-typ", "jwt"],
        ["--id-token-alg", "HS256"],
        ["--pkce", "optional"],
        ["--logo-uri", "data:text/html,x"],
        ["--access-token-ttl", "0"],
        ["--access-token-ttl", "86401"],
        ["--refresh-retry-window", "301"],
    ],
    ids=" ".join,
)
def test_what_no_client_can_have_is_a_usage_error_and_creates_none(
    cli: Callable[..., Result], data: Callable[..., Any], wrong: Any
) -> None:
    before = len(data("client", "list"))
    result = cli(*MACHINE, *wrong, code=2)
    assert result.stdout == ""
    assert result.stderr.count("\n") > 1
    assert len(data("client", "list")) == before


def test_a_client_without_a_grant_has_a_secret_to_introspect_with(
    cli: Callable[..., Result], data: Callable[..., Any]
) -> None:
    created = data("client", "create", "Notes API", "--audience", "https://notes.example")
    assert stored(created["client_id"]).grant_types == frozenset() and created["client_secret"]
    refused = cli("client", "create", "Notes API", "--auth-method", "none", code=2)
    assert "can only introspect tokens, which requires a secret" in refused.stderr


@pytest.mark.parametrize("name", ["", " ", "two\nlines", "\udcff", "\x1b[31mred", "x" * 257])
def test_a_name_that_cannot_be_read_is_a_usage_error(cli: Callable[..., Result], here: Path, name: str) -> None:
    assert "name" in cli("client", "create", name, "--grant", "password", code=2).stderr


def test_a_name_may_be_in_any_language(data: Callable[..., Any]) -> None:
    created = data("client", "create", "Приложение ☕", "--grant", "password")
    assert data("client", "show", created["client_id"])["name"] == "Приложение ☕"


def test_a_longer_lived_token_keeps_its_key_published_for_longer(data: Callable[..., Any]) -> None:
    data(*MACHINE, "--access-token-ttl", "7200")
    state = in_store(signing_keys.load)
    assert {key.max_token_ttl for key in state.signing_keys} == {7200}


def test_list_is_complete_and_shows_no_secret(cli: Callable[..., Result], data: Callable[..., Any]) -> None:
    created = data(*MACHINE)
    listed = {client["client_id"]: client for client in data("client", "list")}
    assert listed[created["client_id"]] == data("client", "show", created["client_id"])
    digest = sha256(created["client_secret"].encode())
    for shown in (cli("client", "list"), cli("client", "show", created["client_id"])):
        assert created["client_secret"] not in shown.stdout and digest.hexdigest() not in shown.stdout


def test_rotate_secret_gives_the_old_one_a_day(data: Callable[..., Any]) -> None:
    created = data(*MACHINE)
    rotated = data("client", "rotate-secret", created["client_id"])
    assert set(rotated) == {"client_id", "client_secret"}
    newest, previous = stored(created["client_id"]).secrets
    assert newest.hash == sha256(rotated["client_secret"].encode()).digest()
    assert previous.hash == sha256(created["client_secret"].encode()).digest()
    assert newest.expires_at is None and previous.expires_at is not None
    ends = data("client", "show", created["client_id"])["secrets_end_at"]
    assert ends[0] is None and ends[1]


def test_in_words_the_secret_is_on_stdout_and_the_talk_on_stderr(cli: Callable[..., Result], here: Path) -> None:
    for result in (cli(*MACHINE), cli("client", "rotate-secret", stored_machine(), "--grace", "0")):
        lines = dict(line.split(": ") for line in result.stdout.splitlines())
        assert set(lines) == {"client_id", "client_secret"}
        assert "cannot be shown again" in result.stderr
        assert lines["client_secret"] not in result.stderr


def stored_machine() -> Any:
    everyone = in_store(clients.load_all)
    return next(client.id for client in everyone if client.name == "Machine")


def test_a_public_client_has_no_secret_to_rotate(cli: Callable[..., Result], data: Callable[..., Any]) -> None:
    created = data(*APP)
    assert "no secret" in cli("client", "rotate-secret", created["client_id"], code=1).stderr


def test_a_client_can_be_disabled_and_enabled(cli: Callable[..., Result], data: Callable[..., Any]) -> None:
    id = data(*APP)["client_id"]
    assert cli("client", "disable", id).stdout == ""
    assert stored(id).disabled
    assert cli("client", "enable", id).stdout == ""
    assert not stored(id).disabled


def test_delete_after_a_dry_run(cli: Callable[..., Result], data: Callable[..., Any]) -> None:
    id = data(*APP)["client_id"]
    assert "Would delete" in cli("client", "delete", id, "--dry-run").stderr
    assert stored(id)
    assert "Deleted" in cli("client", "delete", id, "--yes").stderr
    assert stored(id) is None


@pytest.mark.parametrize("verb", ["show", "disable", "enable", "rotate-secret", "delete"])
def test_no_such_client_is_an_error_that_says_how_to_see_them_all(
    cli: Callable[..., Result], here: Path, verb: str
) -> None:
    result = cli("client", verb, "c_nobody", code=1)
    assert result.stderr.endswith("authserver client list\n")
    assert result.stdout == ""
