"""Traces from a webhook to every channel it is told in; where no collector is configured, nothing is loaded or done."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Generator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span, Tracer

Role = Literal["server", "client", "consumer", "internal"]
Value = str | int | float | bool

SEND_SECONDS = 5.0
LONGEST_VALUE = 200


class Stretch(Protocol):
    """A piece of work as a trace shows it; its words come from our own short lists, never from a payload."""

    def note(self, name: str, value: Value) -> None:
        """Say one thing more about it."""
        ...

    def rename(self, name: str) -> None:
        """Call it by what it has turned out to be."""
        ...

    def failed(self, what: str) -> None:
        """Show it as a fault, in a word."""
        ...


class _Untraced:
    """Nobody wants to know."""

    def note(self, name: str, value: Value) -> None:
        """Forget it."""

    def rename(self, name: str) -> None:
        """Forget it."""

    def failed(self, what: str) -> None:
        """Forget it."""


@dataclass(frozen=True, slots=True)
class _Traced:
    """A stretch that goes to the collector."""

    span: Span

    def note(self, name: str, value: Value) -> None:
        """Keep one attribute, bounded."""
        self.span.set_attribute(name, value[:LONGEST_VALUE] if isinstance(value, str) else value)

    def rename(self, name: str) -> None:
        """Give the span another name."""
        self.span.update_name(name[:LONGEST_VALUE])

    def failed(self, what: str) -> None:
        """Set the span's status."""
        from opentelemetry.trace import Status, StatusCode  # noqa: PLC0415  # only where a collector is configured

        self.span.set_status(Status(StatusCode.ERROR, what[:LONGEST_VALUE]))


@dataclass(slots=True)
class _Collector:
    """Where traces of this process go; the parts of one process share it, and the last to leave closes it."""

    provider: TracerProvider | None = None
    tracer: Tracer | None = None
    users: int = 0


_collector = _Collector()
_untraced: AbstractContextManager[Stretch] = contextlib.nullcontext(_Untraced())


def start(endpoint: str, version: str) -> None:
    """Send traces to the collector at this base address from now on (OTLP over HTTP, protobuf).

    Name, attributes, sampling and headers are the library's own variables: OTEL_SERVICE_NAME,
    OTEL_RESOURCE_ATTRIBUTES, OTEL_TRACES_SAMPLER, OTEL_EXPORTER_OTLP_HEADERS.
    """
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415  # the same
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource  # noqa: PLC0415  # the same
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415  # the same
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415  # the same

    _collector.users += 1
    if _collector.provider is not None:
        return
    # A collector that is away is said once a batch and no more; its library would say it with a traceback.
    logging.getLogger("opentelemetry").setLevel(logging.ERROR)
    ours = Resource({"service.name": "pipesleuth", "service.version": version})
    provider = TracerProvider(resource=ours.merge(OTELResourceDetector().detect()), shutdown_on_exit=False)
    exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces", timeout=SEND_SECONDS)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    _collector.provider, _collector.tracer = provider, provider.get_tracer("pipesleuth", version)


def stop() -> None:
    """Send what is left, for a few seconds at most, and trace no more once nobody wants it; for a thread."""
    _collector.users = max(0, _collector.users - 1)
    provider = _collector.provider
    if provider is None or _collector.users:
        return
    _collector.provider = _collector.tracer = None
    closing = threading.Thread(target=provider.shutdown, name="traces", daemon=True)
    closing.start()
    closing.join(SEND_SECONDS)


def stretch(
    name: str, role: Role = "internal", *, parent: str | None = None, **attributes: Value
) -> AbstractContextManager[Stretch]:
    """A piece of work in the trace of `parent` (a W3C traceparent), or of the stretch around it.

    What is raised inside is shown by its class only: an exception's words may hold what a payload said.
    """
    tracer = _collector.tracer
    return _untraced if tracer is None else _stretched(tracer, name, role, parent, attributes)


@contextlib.contextmanager
def _stretched(
    tracer: Tracer, name: str, role: Role, parent: str | None, attributes: dict[str, Value]
) -> Generator[Stretch]:
    from opentelemetry.trace import SpanKind  # noqa: PLC0415  # only where a collector is configured
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415  # the same

    context = TraceContextTextMapPropagator().extract({"traceparent": parent}) if parent else None
    known = {key.replace("_", "."): value for key, value in attributes.items()}
    with tracer.start_as_current_span(
        name,
        context,
        SpanKind[role.upper()],
        known,
        record_exception=False,
        set_status_on_exception=False,
    ) as span:
        traced = _Traced(span)
        try:
            yield traced
        except BaseException as error:
            traced.failed(type(error).__name__)
            raise


def traceparent() -> str | None:
    """The stretch we are in, as W3C's `traceparent` has it; None where nothing is traced."""
    if _collector.tracer is None:
        return None
    from opentelemetry.trace import get_current_span  # noqa: PLC0415  # only where a collector is configured

    here = get_current_span().get_span_context()
    return f"00-{here.trace_id:032x}-{here.span_id:016x}-{here.trace_flags:02x}" if here.is_valid else None


def trace_id() -> str | None:
    """The trace that we are in, for a log line; None where nothing is traced."""
    known = traceparent()
    return known[3:35] if known else None
