"""authserver client create|update --kind: what is right for each kind, and the questions on a terminal."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from authserver.domain.client_kinds import DEVICE_CODE
from authserver.oauth.grants.device_code import DeviceCodeGrant

BACK = "https://app.example/callback"
SIGN_IN = ["authorization_code", "refresh_token"]
ABOUT_USERS = "openid profile email"
KINDS: dict[str, dict[str, Any]] = {
    "web": {"auth_method": "client_secret_basic", "grant_types": SIGN_IN, "scope": ABOUT_USERS},
    "spa": {
        "auth_method": "none",
        "grant_types": SIGN_IN,
        "scope": ABOUT_USERS,
        "web_origins": ["https://app.example"],
    },
    "native": {"auth_method": "none", "grant_types": SIGN_IN, "application_type": "native"}
    | {"scope": f"{ABOUT_USERS} offline_access"},
    "device": {"auth_method": "none", "grant_types": ["refresh_token", DEVICE_CODE], "application_type": "native"}
    | {"scope": f"{ABOUT_USERS} offline_access"},
    "service": {"auth_method": "client_secret_basic", "grant_types": ["client_credentials"]},
    "api": {"auth_method": "client_secret_basic", "grant_types": []},
}


def test_the_grant_of_devices_is_the_one_that_the_server_has() -> None:
    assert DeviceCodeGrant.GRANT_TYPE == DEVICE_CODE


@pytest.fixture
def create(data: Callable[..., Any]) -> Callable[..., Any]:
    def create(kind: str, *options: str) -> Any:
        return data("client", "show", data("client", "create", "App", "--kind", kind, *options)["client_id"])

    return create


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_has_what_is_right_for_it(create: Callable[..., Any], kind: str) -> None:
    uris = [BACK] if "authorization_code" in KINDS[kind]["grant_types"] else []
    shown = create(kind, *(word for uri in uris for word in ("--redirect-uri", uri)))
    expected = {"scope": "", "web_origins": [], "application_type": "web", "pkce": "required", "first_party": False}
    expected |= KINDS[kind] | {"redirect_uris": uris}
    assert {name: shown[name] for name in expected} == expected


def test_other_options_win_over_the_kind(create: Callable[..., Any]) -> None:
    options = ["--scope", "openid", "--pkce", "optional", "--auth-method", "client_secret_post", "--first-party"]
    shown = create("web", "--redirect-uri", BACK, *options, "--grant", "authorization_code", "--id-token-alg", "ES256")
    assert shown["scope"] == "openid" and shown["pkce"] == "optional" and shown["first_party"] is True
    assert shown["auth_method"] == "client_secret_post" and shown["grant_types"] == ["authorization_code"]
    assert shown["id_token_alg"] == "ES256"


def test_a_single_page_app_calls_from_the_origins_of_its_redirect_uris_unless_it_names_others(
    create: Callable[..., Any],
) -> None:
    uris = ["--redirect-uri", "http://localhost:3000/a/b", "--redirect-uri", f"{BACK}?a=/b", "--redirect-uri", BACK]
    assert create("spa", *uris)["web_origins"] == ["http://localhost:3000", "https://app.example"]
    assert create("spa", *uris, "--web-origin", "https://b.example")["web_origins"] == ["https://b.example"]
    assert create("native", *uris)["web_origins"] == []


@pytest.mark.parametrize("kind", ["web", "spa", "native"])
def test_a_client_that_signs_users_in_needs_a_redirect_uri(cli: Callable[..., Result], here: Any, kind: str) -> None:
    refused = cli("client", "create", "App", "--kind", kind, code=2)
    assert "requires a redirect URI" in refused.stderr and "--redirect-uri https://" in refused.stderr
    refused = cli("client", "create", "App", "--kind", kind, "--redirect-uri", "https://[::1", code=2)
    assert "is not a valid redirect URI" in refused.stderr


@pytest.mark.parametrize("kind", ["spa", "native"])
def test_rfc9700_2_1_1_a_public_client_cannot_leave_pkce_out(cli: Callable[..., Result], here: Any, kind: str) -> None:
    options = ["--kind", kind, "--redirect-uri", BACK, "--pkce", "optional"]
    assert "A public client requires PKCE" in cli("client", "create", "App", *options, code=2).stderr


def test_a_client_becomes_one_of_another_kind(data: Callable[..., Any]) -> None:
    id = data("client", "create", "App", "--kind", "web", "--redirect-uri", BACK, "--scope", "openid read")["client_id"]
    changes = data("client", "update", id, "--kind", "spa")["changes"]
    assert changes.keys() == {"auth_method", "web_origins", "secrets_end_at"}
    changes = data("client", "update", id, "--kind", "native", "--clear", "web-origin")["changes"]
    assert changes.keys() == {"application_type", "web_origins"}
    assert len(data("client", "update", id, "--kind", "service")["client_secret"]) == 43


@pytest.mark.parametrize(
    ("options", "typed", "asked"),
    [
        ([], f"phone\nnative\n{BACK}\n", ["Kind", "Redirect URI"]),
        (["--redirect-uri", BACK], "spa\n", ["Kind"]),
        ([], "service\n", ["Kind"]),
    ],
)
def test_a_terminal_asks_for_the_kind(
    cli: Callable[..., Result], here: Any, terminal: None, options: list[str], typed: str, asked: list[str]
) -> None:
    result = cli("client", "create", "App", *options, input=typed)
    assert "spa      a single-page app, which runs in the browser\n" in result.stderr
    assert all(f"{question}: " in result.stderr for question in asked)
    assert result.stdout.startswith("client_id: c_")


@pytest.mark.parametrize("options", [["--kind", "service"], ["--grant", "client_credentials"]])
def test_a_terminal_asks_nothing_of_someone_who_said_it(
    cli: Callable[..., Result], here: Any, terminal: None, options: list[str]
) -> None:
    assert "Kind" not in cli("client", "create", "App", *options).stderr


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """The input of the command is a terminal."""
    monkeypatch.setattr("click.testing._NamedTextIOWrapper.isatty", lambda self: True, raising=False)


def test_a_logo_that_the_pages_cannot_show_is_said_at_once(cli: Callable[..., Result], here: Path) -> None:
    logo, elsewhere = ["--logo-uri", "https://app.example/logo.png"], "is on another server"
    app = ["App", "--client-id", "app", "--kind", "web", "--redirect-uri", BACK]
    assert elsewhere in cli("client", "create", *app, *logo).stderr
    assert elsewhere not in cli("client", "update", "app", "--name", "An app").stderr
    told = cli("client", "update", "app", *logo).stderr
    assert elsewhere in told and "authserver client update app --logo-uri http" in told
    shown = told.partition("--logo-uri ")[2].split()[0]
    assert elsewhere not in cli("client", "update", "app", "--logo-uri", shown).stderr
