"""Built, installed and used as users do: with each Python of this machine that authserver supports."""

import json
import re
import subprocess
import tarfile
import tomllib
from email.parser import Parser
from pathlib import Path
from textwrap import dedent
from zipfile import ZipFile

import pytest

from authserver.testing import running_issuer
from tests.packaging.conftest import Distributions, build
from tests.packaging.environments import VERSIONS, Environment

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
GUARD = {"authserver", "joserfc", "cryptography", "cffi", "pycparser"}
VERIFY = """
    import json, sys
    from authserver.resource import Guard

    given = json.load(sys.stdin)
    guard = Guard(given["issuer"], given["audience"], keys=given["keys"])
    print(guard.verify(given["token"], "read").subject)
    print(*{name.partition(".")[0] for name in sys.modules})
"""
FASTAPI = """
    from typing import Annotated
    from fastapi import Depends, FastAPI
    from authserver.resource import AccessToken, Guard

    guard = Guard("https://login.example", audience="https://api.example")
    app = FastAPI(responses=guard.responses)

    @app.get("/notes")
    def notes(token: Annotated[AccessToken, Depends(guard("read"))]) -> str:
        return token.subject

    print(*app.openapi()["components"]["securitySchemes"])
"""
TESTING = """
    from authserver.testing import running_issuer

    with running_issuer() as issuer:
        print(issuer.guard().verify(issuer.token("ada", "read"), "read").subject)
"""
every_python = pytest.mark.parametrize("version", VERSIONS)
pytestmark = pytest.mark.slow


def test_the_sdist_has_the_files_of_the_repository_and_makes_the_same_wheel(
    distributions: Distributions, tmp_path: Path
) -> None:
    with tarfile.open(distributions.sdist) as archive:
        archive.extractall(tmp_path, filter="data")
        names = {name.partition("/")[2] for name in archive.getnames()}
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    ours = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    assert names - {"PKG-INFO"} <= set(ours) and {"openapi.yaml", "requirements.lock", "tests/harness/live.py"} <= names
    again = build(next(tmp_path.iterdir()), "-t", "wheel")
    assert ZipFile(again.wheel).namelist() == ZipFile(distributions.wheel).namelist()
    assert {"authserver/openapi.yaml", "authserver/py.typed"} <= set(ZipFile(again.wheel).namelist())


def test_what_the_wheel_says_of_itself(distributions: Distributions) -> None:
    wheel = ZipFile(distributions.wheel)
    [name] = [name for name in wheel.namelist() if name.endswith("/METADATA")]
    metadata = Parser().parsestr(wheel.read(name).decode())
    needed = [line for line in metadata.get_all("Requires-Dist", []) if "extra ==" not in line]
    assert [re.split(r"[<>]", line)[0] for line in needed] == ["joserfc"]
    assert set(metadata.get_all("Provides-Extra", [])) == {
        *("server", "testing", "postgres", "hsm", "otel", "demo", "test")
    }
    pythons = re.findall(r":: (3\.\d+)", "\n".join(metadata.get_all("Classifier", [])))
    assert tuple(pythons) == VERSIONS
    assert "OpenID Connect" in metadata["Summary"]


@every_python
def test_the_guard_installs_with_joserfc_alone_and_verifies_tokens(
    version: str, distributions: Distributions, tmp_path: Path
) -> None:
    environment = Environment(version, tmp_path)
    environment.download("joserfc")
    environment.install(str(distributions.wheel))
    assert environment.packages() == GUARD
    environment.check()

    with running_issuer() as issuer:
        token = issuer.token("ada", "read")
        given = {"issuer": issuer.url, "audience": issuer.audience, "keys": issuer.jwks(), "token": token}
    verified = environment.python(dedent(VERIFY), json.dumps(given))
    subject, modules = verified.stdout.splitlines()
    assert (subject, verified.stderr) == ("ada", "")
    assert "joserfc" in modules.split() and {"sqlalchemy", "starlette", "authlib"}.isdisjoint(modules.split())

    for command in ("version", "serve", "--help"):
        refused = environment.run("authserver", command)
        assert (refused.returncode, refused.stdout) == (78, "")
        assert refused.stderr.startswith("Error: ") and refused.stderr.endswith('pip install "authserver[server]"\n')
    refused = environment.python("import authserver.testing")
    assert refused.stderr.endswith('pip install "authserver[testing]"\n')

    environment.download("fastapi")
    environment.check()
    assert environment.python(dedent(FASTAPI)).stdout == "api.example-by-login.example\n"


@every_python
def test_the_server_and_the_issuer_for_tests_install_and_name_each_missing_extra(
    version: str, distributions: Distributions, tmp_path: Path
) -> None:
    environment = Environment(version, tmp_path)
    environment.download_lock("requirements.lock")
    environment.install(f"authserver[server,testing] @ {distributions.sdist.as_uri()}")
    environment.check()

    assert environment.run("authserver", "version").stdout == f"authserver {PROJECT.get('version', '0.1.0')}\n"
    assert environment.run("authserver", "init").returncode == 0
    assert environment.run("authserver", "config", "check").returncode == 0
    assert environment.python(dedent(TESTING)).stdout == "ada\n"

    environment.remove("psycopg")
    for extra, settings in {
        "postgres": {"DATABASE_URL": "postgresql+psycopg://ada@localhost/authserver"},
        "hsm": {"PKCS11_MODULE": str(tmp_path / "module.so")},
        "otel": {"TRACING": "on"},
    }.items():
        refused = environment.run("authserver", "config", "check", **settings)
        assert refused.returncode == 78 and f"authserver[{extra}]" in refused.stderr, refused.stderr
