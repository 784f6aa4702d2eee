"""Stock clients with nothing said but what their documentation says: they log in, refresh and revoke."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from oauthlib.oauth2 import BackendApplicationClient, LegacyApplicationClient
from requests_oauthlib import OAuth2Session

from authserver.testing import Issuer, running_issuer
from tests.harness import npm
from tests.harness.constants import PASSWORD
from tests.harness.npm import needs_npm

HERE = Path(__file__).parent
SECRET = "as_generated-43-characters-of-base64url-here"
VERSIONS = ("openid-client@6.9.0", "oauth4webapi@3.8.8", "simple-oauth2@5.1.0", "axios@1.21.1")


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with running_issuer() as issuer:
        issuer.user("ada", PASSWORD)
        yield issuer


@pytest.fixture(scope="module")
def web(issuer: Issuer) -> str:
    return issuer.client("read", grants=["password", "refresh_token", "client_credentials"], secret=SECRET)


@pytest.fixture(scope="module")
def app(issuer: Issuer) -> str:
    return issuer.client("read")


@pytest.fixture(scope="module")
def node(issuer: Issuer, web: str, app: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What each client under Node got."""
    folder = tmp_path_factory.mktemp("node")
    npm.install(folder, *VERSIONS)
    shutil.copy(HERE / "stock.mjs", folder)
    told = {"url": issuer.url, "audience": issuer.audience, "username": "ada", "password": PASSWORD}
    told |= {"web": {"client_id": web, "client_secret": SECRET}, "app": {"client_id": app}}  # type: ignore[dict-item]
    environment = os.environ | {"STOCK": json.dumps(told)}
    done = subprocess.run(["node", "stock.mjs"], cwd=folder, env=environment, capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr.decode()
    results: dict[str, Any] = json.loads(done.stdout)
    return results


DEAD = {"type": "bearer", "dead": "invalid_grant"}


@needs_npm
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("openid-client, public", DEAD),
        ("openid-client, with a secret", DEAD | {"active": True}),
        ("oauth4webapi, public", DEAD | {"client": True}),
        ("oauth4webapi, Basic", DEAD | {"client": True}),
        ("oauth4webapi, in the body", DEAD | {"client": True}),
        ("simple-oauth2", {"type": "Bearer", "own": "Bearer", "dead": "invalid_grant"}),
        ("simple-oauth2, in the body", {"type": "Bearer", "own": "Bearer", "dead": "invalid_grant"}),
        ("axios", {"type": "Bearer", "revoked": {}, "dead": "invalid_grant", "expired": 401}),
    ],
)
def test_libraries_for_node_log_in_refresh_and_revoke(
    node: dict[str, Any], name: str, expected: dict[str, Any]
) -> None:
    assert node[name] == expected


@pytest.fixture
def oauthlib(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> Callable[..., OAuth2Session]:
    """`oauthlib(id, secret=..)`: a session that has logged ada in, and refreshes by itself at the next request."""
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")
    url = f"{issuer.url}/token"

    def oauthlib(client_id: str, **secret: str) -> OAuth2Session:
        session = OAuth2Session(
            client=LegacyApplicationClient(client_id),
            auto_refresh_url=url,
            auto_refresh_kwargs={"client_id": client_id} | {f"client_{name}": value for name, value in secret.items()},
            token_updater=lambda token: None,
        )
        # Without a secret it sends `Basic id:`.
        session.fetch_token(
            url, username="ada", password=PASSWORD, **{f"client_{name}": value for name, value in secret.items()}
        )
        session.token = session.token | {"expires_in": -1, "expires_at": 1}
        return session

    return oauthlib


@pytest.mark.parametrize("secret", [{}, {"secret": SECRET}], ids=["public", "with a secret"])
def test_requests_oauthlib_refreshes_automatically(
    issuer: Issuer, oauthlib: Callable[..., OAuth2Session], web: str, app: str, secret: dict[str, str]
) -> None:
    with oauthlib(web if secret else app, **secret) as session:
        before = session.token["refresh_token"]
        answer = session.get(f"{issuer.url}/api/protected")
        assert answer.status_code == 200, answer.text
        assert session.token["refresh_token"] != before


def test_requests_oauthlib_gets_a_clients_own_token(issuer: Issuer, web: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")
    for include_client_id in (None, True):  # by Basic, and in the body
        with OAuth2Session(client=BackendApplicationClient(web)) as session:
            token = session.fetch_token(
                f"{issuer.url}/token", client_id=web, client_secret=SECRET, include_client_id=include_client_id
            )
            assert issuer.guard().verify(token["access_token"]).client_id == web
