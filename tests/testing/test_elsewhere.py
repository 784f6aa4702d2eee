"""authserver.testing in a folder of somebody who has nothing to do with this project, and without pytest."""

import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from tests.harness.process import environment_with

CONFTEST = """
import pytest

from authserver.testing import running_issuer

pytest_plugins = ["authserver.testing.fixture"]


@pytest.fixture(scope="session")
def shared_issuer():
    with running_issuer(jwks_max_age=5) as issuer:
        yield issuer
"""
TESTS = """
import urllib.request

import pytest
from fastapi import Depends, FastAPI
from fastapi.testclient import TestClient

from authserver.resource import AccessToken, TokenRejected


def make_app(guard):
    app = FastAPI()

    @app.get("/notes")
    def notes(token: AccessToken = Depends(guard("read"))):
        return {"notes_of": token.subject}

    return app


def test_fastapi(issuer):
    with TestClient(make_app(issuer.guard())) as api:
        def get(token):
            return api.get("/notes", headers={"Authorization": f"Bearer {token}"})

        token = issuer.token("ada", scope="read")
        assert get(token).json() == {"notes_of": "ada"}
        assert get(issuer.token("ada")).status_code == 403
        issuer.rotate()
        assert get(token).status_code == get(issuer.token("ada", scope="read")).status_code == 200
        issuer.clock.forward(901)
        assert get(token).status_code == 401
        with issuer.down():
            assert get(issuer.token("ada", scope="read")).status_code == 200


def test_plain_guard(issuer):
    issuer.user("ada", "correct horse battery staple")
    answer = issuer.login("ada", "correct horse battery staple", "read")
    issuer.guard().verify(answer["access_token"], "read")
    with pytest.raises(TokenRejected):
        issuer.guard().verify(answer["access_token"], "write")


@pytest.mark.parametrize("turn", range(3))
def test_one_for_the_session(shared_issuer, issuer, turn):
    assert shared_issuer.url != issuer.url
    shared_issuer.guard().verify(shared_issuer.token())
    with urllib.request.urlopen(f"{shared_issuer.url}/.well-known/jwks.json") as answer:
        assert "max-age=5" in answer.headers["Cache-Control"]
"""


@pytest.mark.parametrize(
    "options",
    [pytest.param([], id="alone"), pytest.param(["-p", "xdist", "-n", "2"], id="xdist", marks=pytest.mark.slow)],
)
def test_the_fixture_works_in_another_projects_folder(tmp_path: Path, options: list[str]) -> None:
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_notes.py").write_text(TESTS)
    command = [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", *options]
    done = subprocess.run(command, cwd=tmp_path, env=elsewhere(), capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "5 passed" in done.stdout
    assert done.stderr == ""
    left = {path.name for path in tmp_path.iterdir()} - {"__pycache__"}
    assert left == {"conftest.py", "test_notes.py"}


def test_pytest_is_needed_by_the_fixture_alone(tmp_path: Path) -> None:
    program = """
        import sys
        sys.modules["pytest"] = None
        from authserver.testing import running_issuer
        with running_issuer() as running:
            running.guard().verify(running.token())
        try:
            from authserver.testing import issuer
        except ImportError as error:
            print(error)
        assert not hasattr(__import__("authserver.testing").testing, "no_such_thing")
    """
    command = [sys.executable, "-W", "error", "-c", dedent(program)]
    done = subprocess.run(command, cwd=tmp_path, env=elsewhere(), capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "pip install pytest" in done.stdout


def elsewhere() -> dict[str, str]:
    """The environment of somebody who has nothing to do with this test run."""
    clean = {name: value for name, value in environment_with({}).items() if not name.startswith(("PYTEST", "COV"))}
    paths = os.pathsep.join(path for path in sys.path if path)
    return clean | {"PYTHONPATH": paths, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}  # those of this project take seconds
