"""The server in this process, with metrics."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from starlette.testclient import TestClient

from authserver.app import Assembly, assemble
from authserver.observability.sheet import Sheet
from authserver.settings import Settings
from authserver.store.database import Database
from tests.harness.clock import Clock
from tests.harness.constants import ISSUER, PASSWORD

SAMPLE = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)$", re.MULTILINE)
Samples = Mapping[str, float]


@pytest.fixture
def assembly(database: Database, settings: Settings, clock: Clock) -> Assembly:
    return assemble(settings, now=clock, sheet=Sheet(), enable=())


@pytest.fixture
def http(assembly: Assembly) -> Iterator[TestClient]:
    """The public application."""
    with TestClient(assembly.app, ISSUER, raise_server_exceptions=False) as http:
        yield http


@pytest.fixture
def management(assembly: Assembly, http: TestClient) -> TestClient:
    """The management application, while the public one runs."""
    assert assembly.metrics is not None
    assembly.metrics.sample()
    return TestClient(assembly.metrics.app, "http://127.0.0.1:9100", raise_server_exceptions=False)


@pytest.fixture
def scrape(management: TestClient) -> Callable[[], Samples]:
    """`scrape()`: each sample by its name and labels, as they are written."""

    def scrape() -> Samples:
        return samples(management.get("/metrics").text)

    return scrape


def samples(text: str) -> Samples:
    return {f"{name}{{{labels}}}" if labels else name: float(value) for name, labels, value in SAMPLE.findall(text)}


@pytest.fixture
def log_in(http: TestClient) -> Callable[..., Any]:
    """`log_in()` as ada, `log_in("wrong")` with another password; the response."""

    def log_in(password: str = PASSWORD) -> Any:
        form = {"grant_type": "password", "client_id": "app", "username": "ada", "password": password}
        return http.post("/token", data=form)

    return log_in


@pytest.fixture
def refresh(http: TestClient) -> Callable[..., Any]:
    def refresh(text: str, client_id: str = "app", **more: str) -> Any:
        form = {"grant_type": "refresh_token", "client_id": client_id, "refresh_token": text}
        return http.post("/token", data=form | more)

    return refresh
