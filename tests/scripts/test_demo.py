"""scripts/demo: how it keeps sessions, shows tokens, and ends with whoever started it."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

from scripts.demo import sessions
from scripts.demo.app import Demo
from scripts.demo.tokens import rows
from tests.harness.constants import LONG
from tests.harness.process import owned, wait_until_listening

ROOT = Path(__file__).resolve().parents[2]
URL = "http://127.0.0.1:8001"


async def change(request: Request) -> Response:
    before = request.session.get("count", 0)
    match request.path_params["how"]:
        case "count":
            request.session["count"] = before + 1
        case "sign-in":
            request.session.renewed = True  # type: ignore[attr-defined]
        case "clear":
            request.session.clear()
    return PlainTextResponse(str(before))


@pytest.fixture
def http() -> Iterator[TestClient]:
    middleware = [Middleware(sessions.Sessions, cookie="demo")]
    with TestClient(Starlette(routes=[Route("/{how}", change)], middleware=middleware), URL) as http:
        yield http


def test_a_session_is_kept_behind_a_cookie_that_holds_nothing(http: TestClient) -> None:
    first = http.get("/count")
    assert first.headers["set-cookie"].endswith("; Path=/; HttpOnly; SameSite=Lax")
    assert len(http.cookies["demo"]) == 43
    assert http.get("/count").text == "1"
    assert "set-cookie" not in http.get("/look").headers


def test_nobody_gets_a_cookie_for_nothing_or_keeps_one(http: TestClient) -> None:
    assert "set-cookie" not in http.get("/look").headers
    http.get("/count")
    assert "Max-Age=0" in http.get("/clear").headers["set-cookie"]
    assert http.get("/look").text == "0"


def test_a_sign_in_makes_the_key_from_before_worthless(http: TestClient) -> None:
    http.get("/count")
    planted = http.cookies["demo"]
    http.get("/sign-in")
    assert http.get("/look").text == "1" and http.cookies["demo"] != planted
    http.cookies.clear()
    assert http.get("/look", headers={"Cookie": f"demo={planted}"}).text == "0"


def test_a_key_that_someone_made_up_is_replaced(http: TestClient) -> None:
    answer = http.get("/count", headers={"Cookie": "demo=made-up"})
    assert "demo=made-up" not in answer.headers["set-cookie"]


def test_the_oldest_of_too_many_sessions_is_forgotten(http: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "LIMIT", 2)
    keys = []
    for _ in range(3):
        http.cookies.clear()
        http.get("/count")
        keys.append(http.cookies["demo"])
    http.cookies.clear()
    assert [http.get("/look", headers={"Cookie": f"demo={key}"}).text for key in keys] == ["0", "1", "1"]


def test_times_are_in_words_and_other_values_as_they_are() -> None:
    shown = rows(
        {"exp": 1_800_000_900, "iat": 1_799_999_999, "amr": ["pwd"], "name": "Zoë", "email_verified": False}, 1.8e9
    )
    assert [(name, value) for name, value, _ in shown] == [
        ("exp", "2027-01-15T08:15:00Z (in 15 minutes)"),
        ("iat", "2027-01-15T07:59:59Z (1 second ago)"),
        ("amr", '["pwd"]'),
        ("name", "Zoë"),
        ("email_verified", "false"),
    ]


@pytest.fixture
def demo() -> Iterator[TestClient]:
    """A demo whose server is not there."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        server = f"http://127.0.0.1:{closed.getsockname()[1]}"
    with TestClient(Demo(URL, server, "c_demo", "secret").app(), URL) as http:
        yield http


def test_a_server_that_does_not_answer_is_said_so(demo: TestClient) -> None:
    answer = demo.get("/sign-in")
    assert answer.status_code == 502 and "The server does not answer. Is it running?" in answer.text


@pytest.mark.parametrize("path", ["/", "/sign-in", "/sign-in?again"])
def test_a_browser_with_another_name_for_the_host_is_sent_to_the_own_url_before_it_gets_a_cookie(
    demo: TestClient, path: str
) -> None:
    answer = demo.get(f"http://localhost:8001{path}", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, f"{URL}{path}")
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("path", ["/refresh", "/sign-out"])
@pytest.mark.parametrize("headers", [{}, {"Origin": "null"}, {"Origin": "http://127.0.0.1:8002"}])
def test_a_form_of_another_site_is_refused(demo: TestClient, path: str, headers: dict[str, str]) -> None:
    assert demo.post(path, headers=headers).status_code == 403


def test_someone_who_is_not_signed_in_is_sent_home(demo: TestClient) -> None:
    answer = demo.post("/refresh", headers={"Origin": URL}, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, f"{URL}/")


def test_no_page_may_be_framed_or_run_a_script(demo: TestClient) -> None:
    for path in ("/", "/style.css"):
        policy = demo.get(path).headers["content-security-policy"]
        assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy and "script-src" not in policy


def test_it_ends_with_whoever_holds_the_pipe(tmp_path: Path) -> None:
    (tmp_path / "demo").write_text(json.dumps({"web_client_id": "c", "web_client_secret": "s"}))
    lifeline, held = os.pipe()
    with socket.create_server(("127.0.0.1", 0)) as listener, (tmp_path / "log").open("w") as log:
        port = listener.getsockname()[1]
        url = f"http://127.0.0.1:{port}"
        options = ["--fd", str(listener.fileno()), "--url", url, "--issuer", url, "--client", str(tmp_path / "demo")]
        process = subprocess.Popen(
            [sys.executable, "-m", "scripts.demo", *options],
            cwd=ROOT,
            stdin=lifeline,
            stderr=log,
            pass_fds=[listener.fileno()],
        )
    os.close(lifeline)
    with owned(process):
        wait_until_listening(port, process, tmp_path / "log")
        os.close(held)
        assert process.wait(LONG) == 0
    assert (tmp_path / "log").read_text() == ""
