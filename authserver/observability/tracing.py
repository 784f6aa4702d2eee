"""Traces for OpenTelemetry: a span for each request, and below it one for each step of the pipeline.

This needs the extra `otel`, and is imported only if AUTHSERVER_TRACING is on. The standard OTEL_* variables configure
it. A span never contains what a caller sent, except the method, and no token, name or id of a client or user.
"""

from collections.abc import Callable
from enum import Enum
from threading import Thread

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Link, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from structlog.contextvars import get_contextvars

from .. import __version__, system
from ..pipeline.event import Event
from ..pipeline.observed import StepEnded
from .reasons import reason_code
from .requests import TRUSTED_PEER, App, Endpoints, Message, Receive, Send

_METHODS = {"GET", "HEAD", "POST", "OPTIONS", "PUT", "PATCH", "DELETE"}
_FLUSH_TIMEOUT = 3.0  # seconds


def new_processor() -> SpanProcessor:
    """Return the processor that sends spans to the collector, in its own thread; it drops them if the collector is
    down."""
    return BatchSpanProcessor(OTLPSpanExporter())


class Tracing:
    """An observer of the pipeline, and of requests by its `middleware`."""

    def __init__(self, processor: SpanProcessor) -> None:
        own = Resource({"service.name": "authserver", "service.version": __version__})
        self._provider = TracerProvider(resource=own.merge(OTELResourceDetector().detect()))
        self._provider.add_span_processor(processor)
        self.tracer = self._provider.get_tracer("authserver", __version__)

    def step(self, name: str) -> StepEnded:
        def ended(began: int, ended: int) -> None:
            if trace.get_current_span().is_recording():
                epoch = system.now() * 1000 - system.stopwatch()
                self.tracer.start_span(name, start_time=epoch + began).end(epoch + ended)

        return ended

    def conflicted(self) -> None:
        trace.get_current_span().add_event("conflict")

    def judged(self, verdict: Enum) -> None:
        trace.get_current_span().set_attribute("authserver.verdict", verdict.value)

    def happened(self, event: Event) -> None:
        code = reason_code(event.fields["error"], event.fields["reason"]) if event.name == "refused" else None
        trace.get_current_span().add_event(event.name, {"reason": code} if code else None)

    def middleware(self, base: str) -> Callable[[App], App]:
        """`base` is the path of the issuer."""
        return lambda app: RequestSpans(app, self.tracer, Endpoints(base))

    def close(self) -> None:
        """Send what is left, for a few seconds."""
        flushing = Thread(target=self._provider.shutdown, daemon=True)
        flushing.start()
        flushing.join(_FLUSH_TIMEOUT)


class RequestSpans:
    """A pure ASGI middleware. A trusted proxy's `traceparent` continues its trace. Anyone else's is only linked to:
    strangers must not decide which requests are recorded."""

    def __init__(self, app: App, tracer: trace.Tracer, endpoints: Endpoints) -> None:
        self._app, self._tracer, self._endpoints = app, tracer, endpoints

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        context = TraceContextTextMapPropagator().extract(_trace_headers(scope))
        sent = trace.get_current_span(context).get_span_context()
        is_parent = sent.is_valid and scope.get(TRUSTED_PEER, False)
        method = scope["method"] if scope["method"] in _METHODS else "_OTHER"
        with self._tracer.start_as_current_span(
            method,
            context if is_parent else None,
            SpanKind.SERVER,
            {"http.request.method": method, "authserver.request_id": get_contextvars().get("request_id", "")},
            [Link(sent)] if sent.is_valid and not is_parent else [],
            record_exception=False,  # its text is the log's
        ) as span:
            await self._app(scope, receive, _noting_status(send, span))
            endpoint = self._endpoints.of(scope)
            span.update_name(f"{method} {endpoint}")
            span.set_attribute("http.route", endpoint)


def _noting_status(send: Send, span: trace.Span) -> Send:
    async def noting(message: Message) -> None:
        if message["type"] == "http.response.start":
            span.set_attribute("http.response.status_code", message["status"])
            if message["status"] >= 500:
                span.set_status(Status(StatusCode.ERROR))
        await send(message)

    return noting


def _trace_headers(scope: Message) -> dict[str, str]:
    """Return `traceparent`, if it was sent exactly once. `tracestate` is not needed, and could be any text."""
    sent = [value.decode("latin-1") for name, value in scope["headers"] if name == b"traceparent"]
    return {"traceparent": sent[0]} if len(sent) == 1 else {}
