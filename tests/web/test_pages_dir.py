"""AUTHSERVER_PAGES_DIR: the operator's own templates and files."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from authserver.app import create_app
from authserver.domain.errors import Misconfigured
from authserver.provisioning import check
from authserver.settings import Settings
from authserver.store.database import Database
from authserver.web.browser.templates import STATIC
from tests.harness.clock import Clock
from tests.harness.constants import ISSUER


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "pages"
    (folder / "static").mkdir(parents=True, mode=0o755)
    return folder


@pytest.fixture
def settings(settings: Settings, folder: Path) -> Settings:
    return settings.model_copy(update={"pages_dir": folder})


@pytest.fixture
def http(database: Database, settings: Settings, folder: Path, clock: Clock) -> Iterator[TestClient]:
    (folder / "static" / "style.css").write_text("h1 { color: green }")
    (folder / "static" / "logo.svg").write_text("<svg/>")
    (folder / "secret.html").write_text("")
    with TestClient(create_app(settings, now=clock), ISSUER) as http:
        yield http


def test_files_of_the_operators_are_served_and_take_the_place_of_ours(http: TestClient) -> None:
    assert http.get("/static/style.css").text == "h1 { color: green }"
    assert http.get("/static/logo.svg").headers["content-type"] == "image/svg+xml"
    assert http.get("/static/pages.js").text == (STATIC / "pages.js").read_text()
    for path in ("/static/../secret.html", "/static/secret.html", "/static/layout.html"):
        assert http.get(path).status_code == 404


@pytest.mark.parametrize("path", ["/static/style.css", "/static/pages.js"])
def test_a_browser_asks_each_time_whether_a_file_has_changed(http: TestClient, path: str) -> None:
    answer = http.get(path)
    expected = {"cache-control": "no-cache", "x-content-type-options": "nosniff", "etag": answer.headers["etag"]}
    assert expected.items() <= dict(answer.headers).items()
    unchanged = http.get(path, headers={"If-None-Match": answer.headers["etag"]})
    assert (unchanged.status_code, unchanged.headers["cache-control"]) == (304, "no-cache")


def test_a_folder_that_does_not_exist(database: Database, settings: Settings) -> None:
    missing = settings.model_copy(update={"pages_dir": Path("nowhere")})
    with pytest.raises(Misconfigured, match="AUTHSERVER_PAGES_DIR=nowhere is not a folder"):
        check(missing)


@pytest.mark.parametrize("path", [".", "sign_in.html", "static"])
def test_a_template_that_others_can_write_could_run_their_code(
    database: Database, settings: Settings, folder: Path, path: str
) -> None:
    (folder / "sign_in.html").write_text("")
    (folder / path).chmod(0o777)
    with pytest.raises(Misconfigured, match="can be written by others(?s:.*)chmod go-w .*pages"):
        check(settings)
    (folder / path).chmod(0o755)
    check(settings)


def test_a_template_that_fails_keeps_the_server_from_starting(
    database: Database, settings: Settings, folder: Path
) -> None:
    (folder / "consent.html").write_text("\n{% if %}")
    for start in (check, create_app):
        with pytest.raises(Misconfigured, match="consent.html, line 2: "):
            start(settings)
