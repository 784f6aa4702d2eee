"""What a started server has not imported: each takes time and memory at every start, and few use it."""

import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import SecretStr

from authserver import system
from authserver.provisioning import initialise, open_database
from authserver.settings import Settings

START = """
import sys
from authserver.cli import serve
from authserver.provisioning import check
from authserver.serving import processes
from authserver.serving.configuration import create_worker_app
from authserver.settings import load

settings = load()
check(settings, 1)
create_worker_app(settings, 1)
print(*sys.modules)
"""
NOT_IMPORTED = {
    "alembic": "upgrades",
    "authserver.backup": "backups",
    "authserver.mail.sender": "emails",
    "authserver.observability.exposition": "metrics",
    "authserver.observability.tracing": "traces",
    "authserver.store.postgresql": "PostgreSQL",
    "jinja2": "pages and emails: with the first one",
    "opentelemetry": "traces",
    "pkcs11": "keys in an HSM",
    "prometheus_client": "metrics",
    "psycopg": "PostgreSQL",
    "smtplib": "emails",
    "sqlalchemy.dialects.mysql": "nobody",
    "sqlalchemy.dialects.postgresql": "PostgreSQL",
    "sqlalchemy.orm": "nobody",
}
"""Modules, and what they are for."""


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    folder = tmp_path_factory.mktemp("server")
    url = f"sqlite:///{folder}/authserver.db"
    settings = Settings(issuer="http://127.0.0.1:8000", database_url=SecretStr(url), keys_dir=folder / "keys")
    database = open_database(settings)
    initialise(settings, database, system.now)
    database.close()
    command = [sys.executable, "-c", START]
    environment = {"PYTHONPATH": str(Path(__file__).parents[2]), "AUTHSERVER_DATABASE_URL": url}
    done = subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True, text=True)
    return set(done.stdout.split())


@pytest.mark.parametrize("module", NOT_IMPORTED)
def test_a_server_on_sqlite_without_metrics_has_not_imported(imported: set[str], module: str) -> None:
    assert "authserver.app" in imported
    assert module not in imported
