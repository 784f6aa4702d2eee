"""Traces, with the exporter that keeps spans in memory: their names, parents and links, and nothing secret in them."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from authserver import provisioning
from authserver.app import assemble
from authserver.domain.errors import Misconfigured
from authserver.keyring import Keyring
from authserver.pipeline.observed import STEPS
from authserver.settings import Settings
from authserver.store.database import Database
from tests.harness.clock import Clock
from tests.harness.constants import ISSUER, PASSWORD

pytest.importorskip("opentelemetry.sdk", reason="the extra otel is not installed")

from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from authserver.observability import tracing

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACEPARENT = {"traceparent": f"00-{TRACE}-{PARENT}-01"}


@pytest.fixture
def exporter(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    exporter = InMemorySpanExporter()
    monkeypatch.setattr(tracing, "new_processor", lambda: SimpleSpanProcessor(exporter))
    return exporter


@pytest.fixture
def http(exporter: InMemorySpanExporter, database: Database, settings: Settings, clock: Clock) -> Iterator[TestClient]:
    """A server that traces, behind the trusted proxy 10.0.0.1."""
    traced = settings.model_copy(update={"tracing": "on", "trusted_proxies": "10.0.0.1"})
    app = assemble(traced, now=clock).app
    with TestClient(app, ISSUER, client=("10.0.0.1", 50_000), raise_server_exceptions=False) as http:
        yield http


def request_span(exporter: InMemorySpanExporter) -> Any:
    (span,) = [span for span in exporter.get_finished_spans() if span.kind is SpanKind.SERVER]
    return span


def test_each_step_is_a_span_below_that_of_the_request(
    exporter: InMemorySpanExporter, log_in: Callable[..., Any]
) -> None:
    answer = log_in()
    request, spans = request_span(exporter), exporter.get_finished_spans()
    steps: list[Any] = [span for span in spans if span is not request]
    assert [span.name for span in steps] == list(STEPS)
    assert {span.parent.span_id for span in steps} == {request.context.span_id}
    assert all(request.start_time <= span.start_time <= span.end_time <= request.end_time for span in steps)
    assert request.name == "POST /token" and request.resource.attributes["service.name"] == "authserver"
    assert dict(request.attributes) == {
        "http.request.method": "POST",
        "http.route": "/token",
        "http.response.status_code": 200,
        "authserver.request_id": answer.headers["x-request-id"],
    }
    assert [event.name for event in request.events] == ["login"]


def test_a_refusal_names_its_reason_and_a_refresh_its_verdict(
    exporter: InMemorySpanExporter, log_in: Callable[..., Any], refresh: Callable[..., Any]
) -> None:
    log_in("wrong")
    span = request_span(exporter)
    assert [dict(event.attributes) for event in span.events if event.name == "refused"] == [
        {"reason": "wrong_password"}
    ]
    assert span.status.status_code is StatusCode.UNSET
    token = log_in().json()["refresh_token"]
    exporter.clear()
    refresh(token)
    assert request_span(exporter).attributes["authserver.verdict"] == "rotate"


def test_a_trusted_proxys_trace_is_continued(exporter: InMemorySpanExporter, http: TestClient) -> None:
    http.get("/health/live", headers=TRACEPARENT)
    span = request_span(exporter)
    assert (f"{span.context.trace_id:032x}", f"{span.parent.span_id:016x}") == (TRACE, PARENT)
    assert span.links == ()


def test_anyone_elses_is_only_linked_to(exporter: InMemorySpanExporter, http: TestClient) -> None:
    http.get("/health/live", headers=TRACEPARENT | {"X-Forwarded-For": "192.0.2.1"})
    proxied = request_span(exporter)
    assert f"{proxied.context.trace_id:032x}" == TRACE  # it is the proxy that sends the header
    exporter.clear()
    with TestClient(http.app, ISSUER, client=("192.0.2.1", 50_000)) as stranger:
        stranger.get("/health/live", headers=TRACEPARENT)
    span = request_span(exporter)
    assert span.parent is None and f"{span.context.trace_id:032x}" != TRACE
    assert [f"{link.context.trace_id:032x}" for link in span.links] == [TRACE]


@pytest.mark.parametrize("sent", ["", "00", "x" * 5000, f"00-{'0' * 32}-{PARENT}-01", f"ff-{TRACE}-{PARENT}-01"])
def test_a_malformed_traceparent_is_ignored(exporter: InMemorySpanExporter, http: TestClient, sent: str) -> None:
    assert http.get("/health/live", headers={"traceparent": sent}).status_code == 200
    assert request_span(exporter).parent is None


def test_a_defect_marks_the_span_without_its_text(
    exporter: InMemorySpanExporter, log_in: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any) -> None:
        raise RuntimeError("c4n4ry")

    monkeypatch.setattr(Keyring, "sign", fails)
    assert log_in().status_code == 500
    assert request_span(exporter).status.status_code is StatusCode.ERROR
    assert "c4n4ry" not in "".join(span.to_json() for span in exporter.get_finished_spans())


def test_what_is_left_is_sent_when_the_server_stops(
    exporter: InMemorySpanExporter,
    database: Database,
    settings: Settings,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    later = BatchSpanProcessor(exporter, schedule_delay_millis=3_600_000)
    monkeypatch.setattr(tracing, "new_processor", lambda: later)
    with TestClient(assemble(settings.model_copy(update={"tracing": "on"}), now=clock).app, ISSUER) as http:
        http.get("/health/live")
    assert request_span(exporter).name == "GET /health/live"


def test_no_span_contains_what_a_caller_sent(
    exporter: InMemorySpanExporter, http: TestClient, log_in: Callable[..., Any], refresh: Callable[..., Any]
) -> None:
    tokens = log_in().json()
    refresh(tokens["refresh_token"])
    refresh("c4n4ry", "c4n4ry")
    http.request("C4N4RY", "/c4n4ry?c4n4ry=c4n4ry", headers={"User-Agent": "c4n4ry"})
    text = "".join(span.to_json() for span in exporter.get_finished_spans())
    for secret in (PASSWORD, tokens["access_token"], tokens["refresh_token"], "c4n4ry", "C4N4RY", "u_ada"):
        assert secret not in text
    assert "_OTHER other" in text


def test_without_the_extra_the_message_says_what_to_install(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr("authserver.observability.tracing")
    monkeypatch.setitem(sys.modules, "authserver.observability.tracing", None)
    with pytest.raises(Misconfigured, match=r'pip install "authserver\[otel\]"'):
        provisioning.open_tracing(settings.model_copy(update={"tracing": "on"}))


def test_nothing_of_it_is_imported_while_it_is_off() -> None:
    code = "import sys, authserver.app, authserver.cli.serve; sys.exit('opentelemetry' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
