"""authserver client update: the same options as create, and what changed is shown."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from authserver.provisioning import open_database
from authserver.settings import load
from authserver.store import signing_keys

APP = ["--grant", "password", "--grant", "refresh_token", "--scope", "read", "--audience", "https://api.example"]


@pytest.fixture
def app(data: Callable[..., Any]) -> Any:
    return data("client", "create", "App", *APP)["client_id"]


TERMS = "https://app.example/terms"
EVERYTHING = {
    "--name": ("Other", "name", "Other"),
    "--grant": ("client_credentials", "grant_types", ["client_credentials"]),
    "--scope": ("a b", "scope", "a b"),
    "--audience": ("urn:x", "audiences", ["urn:x"]),
    "--redirect-uri": ("https://app.example/", "redirect_uris", ["https://app.example/"]),
    "--web-origin": ("https://app.example", "web_origins", ["https://app.example"]),
    "--access-token-claim": ("roles", "access_token_claims", ["roles"]),
    "--id-token-claim": ("roles", "id_token_claims", ["roles"]),
    "--auth-method": ("client_secret_post", "auth_method", "client_secret_post"),
    "--user-address-header": ("x-user-address", "user_address_header", "x-user-address"),
    "--access-token-ttl": ("60", "access_token_ttl", 60),
    "--refresh-retry-window": ("0", "refresh_retry_window", 0),
    "--code-retry-window": ("0", "code_retry_window", 0),
    "--refresh-idle-ttl": ("120", "refresh_idle_ttl", 120),
    "--refresh-absolute-ttl": ("180", "refresh_absolute_ttl", 180),
    "--max-authorizations": ("3", "max_authorizations", 3),
    "--access-token-alg": ("ES256", "access_token_alg", "ES256"),
    "--access-token-typ": ("JWT", "access_token_typ", "JWT"),
    "--id-token-alg": ("EdDSA", "id_token_alg", "EdDSA"),
    "--userinfo-alg": ("PS256", "userinfo_alg", "PS256"),
    "--client-uri": ("https://app.example/", "client_uri", "https://app.example/"),
    "--logo-uri": ("https://app.example/logo.png", "logo_uri", "https://app.example/logo.png"),
    "--policy-uri": ("https://app.example/privacy", "policy_uri", "https://app.example/privacy"),
    "--post-logout-redirect-uri": ("https://app.example/bye", "post_logout_redirect_uris", ["https://app.example/bye"]),
    "--backchannel-logout-uri": ("https://app.example/out", "backchannel_logout_uri", "https://app.example/out"),
    "--tos-uri": ("https://app.example/terms", "tos_uri", "https://app.example/terms"),
    "--sector-identifier-uri": ("https://app.example", "sector_identifier_uri", "https://app.example"),
}


def test_everything_can_be_changed_at_once_and_old_and_new_are_shown(data: Callable[..., Any], app: Any) -> None:
    before = data("client", "show", app)
    words = [word for option, (given, *_) in EVERYTHING.items() for word in (option, given)]
    done = data("client", "update", app, *words, "--no-rotation")
    after = data("client", "show", app)
    expected = {name: value for _, name, value in EVERYTHING.values()} | {"rotation": False}
    assert {name: after[name] for name in expected} == expected
    assert {name for name in before if before[name] != after[name]} <= expected.keys()
    assert done == {
        "client_id": app,
        "changes": {name: {"old": before.get(name), "new": value} for name, value in expected.items()},
    }


@pytest.mark.parametrize("option", EVERYTHING)
def test_nothing_else_changes(data: Callable[..., Any], app: Any, option: Any) -> None:
    given, name, value = EVERYTHING[option]
    before = data("client", "show", app)
    assert data("client", "update", app, option, given)["changes"].keys() == {name}
    assert data("client", "show", app) == before | {name: value}


def test_an_update_tells_in_words_what_changed(cli: Callable[..., Result], app: Any) -> None:
    done = cli("client", "update", app, "--scope", "read write", "--access-token-ttl", "60", "--scope", "admin")
    assert done.stdout == "scope: read -> read write admin\naccess_token_ttl: the server's setting -> 60\n"
    again = cli("client", "update", app, "--access-token-ttl", "60")
    assert (again.stdout, again.stderr) == ("", "Nothing changed.\n")


def test_clear_empties_lists_and_goes_back_to_the_servers_settings(data: Callable[..., Any], app: Any) -> None:
    before = data("client", "show", app)
    data("client", "update", app, "--access-token-ttl", "60", "--no-rotation", "--web-origin", "https://app.example")
    data("client", "update", app, "--user-address-header", "x-user-address")
    names = ["access-token-ttl", "rotation", "web-origin", "audience", "scope", "grant", "user-address-header"]
    cleared = data("client", "update", app, *(word for name in names for word in ("--clear", name)))
    assert data("client", "show", app) == before | {"audiences": [], "scope": "", "grant_types": []}
    assert cleared["changes"]["rotation"] == {"old": False, "new": None}


def test_what_belongs_to_sign_in_is_switched_on_and_off(data: Callable[..., Any], app: Any) -> None:
    before = data("client", "show", app)
    on = ["--scope", "openid", "--pkce", "optional", "--first-party", "--userinfo-alg", "ES256", "--tos-uri", TERMS]
    data("client", "update", app, *on)
    assert data("client", "show", app) == before | {
        "scope": "openid",
        "pkce": "optional",
        "first_party": True,
        "userinfo_alg": "ES256",
        "tos_uri": TERMS,
    }
    off = ["--scope", "read", "--pkce", "required", "--third-party", "--clear", "userinfo-alg", "--clear", "tos-uri"]
    data("client", "update", app, *off)
    assert data("client", "show", app) == before


def test_the_keys_of_an_algorithm_come_and_go_with_the_clients_that_use_it(
    data: Callable[..., Any], cli: Callable[..., Result], app: Any
) -> None:
    said = cli("client", "update", app, "--id-token-alg", "ES256", "--userinfo-alg", "PS256").stderr
    assert "ES256 signs from " in said and "PS256 signs from " in said and "ID tokens" in said
    assert states_of(data, "ES256") == states_of(data, "PS256") == ["pending"]
    cli("client", "update", app, "--clear", "userinfo-alg")
    assert states_of(data, "ES256") == ["pending"] and states_of(data, "PS256") == ["removed"]
    cli("client", "delete", app, "--yes")
    assert states_of(data, "ES256") == ["removed"]


def states_of(data: Callable[..., Any], alg: str) -> list[str]:
    return [key["state"] for key in data("keys", "list") if key["alg"] == alg]


def test_a_longer_lived_token_keeps_its_keys_published_for_longer_the_next_ones_too(
    data: Callable[..., Any], app: Any, cli: Callable[..., Result]
) -> None:
    data("client", "update", app, "--access-token-ttl", "7200")
    cli("keys", "rotate", "--emergency")
    database = open_database(load())
    with database.begin() as connection:
        keys = signing_keys.load(connection).signing_keys
    database.close()
    assert len(keys) == 3 and {key.max_token_ttl for key in keys} == {7200}


def test_a_client_that_becomes_confidential_gets_a_secret_and_a_public_one_loses_it(
    cli: Callable[..., Result], data: Callable[..., Any], app: Any
) -> None:
    assert data("client", "update", app, "--auth-method", "none")["changes"]["secrets_end_at"] == {
        "old": [None],
        "new": [],
    }
    done = data("client", "update", app, "--auth-method", "client_secret_basic")
    assert len(done["client_secret"]) == 43
    assert "client_secret" not in data("client", "update", app, "--auth-method", "client_secret_post")
    assert "secrets_end_at: never -> none\n" in cli("client", "update", app, "--auth-method", "none").stdout


@pytest.mark.parametrize(
    "wrong",
    [
        [],
        ["--scope", "read,write"],
        ["--scope", "read", "--clear", "scope"],
        ["--clear", "name"],
        ["--name", ""],
        ["--grant", "implicit"],
        ["--grant", "password,refresh_token"],
        ["--audience", "/relative"],
        ["--web-origin", "https://app.example/"],
        ["--access-token-claim", "sub"],
        ["--access-token-ttl", "86401"],
        ["--max-authorizations", "0"],
        ["--auth-method", "none", "--no-rotation"],
    ],
    ids=" ".join,
)
def test_what_no_client_can_be_is_a_usage_error_and_changes_nothing(
    cli: Callable[..., Result], data: Callable[..., Any], app: Any, wrong: Any
) -> None:
    before = data("client", "show", app)
    assert cli("client", "update", app, *wrong, code=2).stdout == ""
    assert data("client", "show", app) == before


def test_no_such_client(cli: Callable[..., Result], here: Path) -> None:
    assert "authserver client list" in cli("client", "update", "nobody", "--name", "x", code=1).stderr


def test_a_client_keeps_the_id_that_it_had_elsewhere(cli: Callable[..., Result], data: Callable[..., Any]) -> None:
    assert (
        data("client", "create", "App", *APP, "--client-id", "https://app.example/x")["client_id"]
        == "https://app.example/x"
    )
    taken = cli("client", "create", "Other", "--client-id", "https://app.example/x", code=1)
    assert taken.stderr.endswith("authserver client update https://app.example/x\n") and taken.stdout == ""
    assert data("client", "show", "https://app.example/x")["name"] == "App"


@pytest.mark.parametrize("id", ["", "a b", "-a", "x" * 65, "caf\u00e9", "a,b", "a'b", 'a"b', "a\\b"])
def test_an_id_that_no_client_can_have(cli: Callable[..., Result], here: Path, id: str) -> None:
    assert "is not valid" in cli("client", "create", "App", "--client-id", id, code=2).stderr


@pytest.mark.parametrize("command", ["create", "update"])
def test_every_list_repeats_and_drops_what_is_there_twice(data: Callable[..., Any], app: Any, command: str) -> None:
    lists = {"--scope": ["a", "b c", "a"], "--audience": ["urn:a", "urn:b", "urn:a"]}
    lists |= {"--redirect-uri": ["com.example:/a", "com.example:/b"]}
    lists |= {"--web-origin": ["https://a.example", "https://b.example"]}
    words = [word for option, values in lists.items() for value in values for word in (option, value)]
    id = data("client", command, *(["App"] if command == "create" else [app]), *words)["client_id"]
    shown = data("client", "show", id)
    assert shown["scope"] == "a b c" and shown["audiences"] == ["urn:a", "urn:b"]
    assert shown["redirect_uris"] == ["com.example:/a", "com.example:/b"] and len(shown["web_origins"]) == 2


@pytest.mark.parametrize("arguments", [["client", "create", "App"], ["snippet", "fastapi"]], ids=" ".join)
def test_two_scopes_with_a_comma_between_them_get_a_hint(
    cli: Callable[..., Result], here: Path, arguments: Any
) -> None:
    said = cli(*arguments, "--scope", "read,write", code=2).stderr
    assert "'read,write' would be one scope with a comma in it. Separate scopes by spaces" in said


def test_a_snippet_takes_several_scopes(cli: Callable[..., Result], here: Path) -> None:
    both, repeated = (
        cli("snippet", "fastapi", *given).stdout for given in (["--scope", "a b"], ["--scope", "a", "--scope", "b"])
    )
    assert both == repeated and '"a", "b"' in both


@pytest.mark.parametrize("verb", ["create", "update"])
@pytest.mark.parametrize(
    ("uri", "warns"),
    [("https://10.1.2.3/out", True), ("http://app.internal/out", True), ("https://app.example/out", False)],
)
def test_a_back_channel_logout_uri_that_the_server_never_reaches_is_warned_of(
    cli: Callable[..., Result], app: Any, verb: str, uri: str, warns: bool
) -> None:
    done = cli(
        "client", *(("create", "Other", *APP) if verb == "create" else ("update", app)), "--backchannel-logout-uri", uri
    )
    assert ("Warning: The client c_" in done.stderr) == warns
    assert (f"AUTHSERVER_FETCH_ALLOW={uri.split('/')[2]}" in done.stderr) == warns


def test_the_network_that_the_server_may_reach_is_not_warned_of(
    cli: Callable[..., Result], app: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUTHSERVER_FETCH_ALLOW", "10.0.0.0/8")
    assert "Warning" not in cli("client", "update", app, "--backchannel-logout-uri", "https://10.1.2.3/out").stderr
    assert "Warning" not in cli("client", "update", app, "--name", "Other").stderr
