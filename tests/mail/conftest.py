"""A certificate for the mail server, which clients trust."""

from pathlib import Path

import pytest

from tests.harness.certificate import make_certificate

HOST = "localhost"


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certificate")
    make_certificate(folder, HOST)
    return folder


@pytest.fixture
def trusted(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate / "crt"))
    return certificate
