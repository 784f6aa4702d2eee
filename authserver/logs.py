"""Logs one JSON object per line to stderr, and redacts everything that could be a token or a password."""

import logging
import re
import sys
from functools import lru_cache
from threading import Lock
from typing import Any, TextIO

import structlog

_TOKENS = re.compile(r"rt_[A-Za-z0-9_-]{20,}|eyJ[A-Za-z0-9_-]{10,}(\.[A-Za-z0-9_-]*)*")
_SECRET_NAMES = ("password", "secret", "token", "authorization", "cookie")
_SILENT = {"authlib": logging.CRITICAL + 1, "alembic": logging.WARNING}  # Authlib logs whole tokens at DEBUG


def configure(level: str) -> None:
    """Configure the logs of this process: ours by structlog, those of libraries by the same handler. `level` is as in
    `logging`."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,  # request_id: see web/request_id.py
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        structlog.processors.format_exc_info,
        redact,
    ]
    lines = _Lines(sys.stderr)
    structlog.configure(
        processors=[*shared, structlog.processors.JSONRenderer()],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level.upper())),
        logger_factory=lambda *_: lines,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    for name, minimum in _SILENT.items():
        logging.getLogger(name).setLevel(minimum)


class _Lines:
    """Writes the lines of our own log. Writing through `logging` takes 20 us longer: it creates a record for each
    line."""

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._lock = stream, Lock()

    def write(self, line: str) -> None:
        with self._lock:
            try:
                self._stream.write(line + "\n")
                self._stream.flush()
            except (OSError, ValueError):  # the reader is gone or the disk is full: no request may fail
                pass

    debug = info = warning = error = critical = exception = write


def redact(_logger: object, _method: str, event: Any) -> Any:
    """Redact secrets in an event; this is a structlog processor."""
    return {name: _redacted(name, value) for name, value in event.items()}


def _redacted(name: str, value: Any) -> Any:
    if value is None or isinstance(value, int | float) or name.startswith("_"):  # names with _ are structlog's
        return value
    if _is_of_secret(name):
        return "[redacted]"
    if isinstance(value, dict):
        return {_without_tokens(inner): _redacted(str(inner), value[inner]) for inner in value}
    if isinstance(value, list | tuple | set):
        return [_redacted(name, inner) for inner in value]
    return _without_tokens(value)


@lru_cache(1024)
def _is_of_secret(name: str) -> bool:
    return any(secret in name.lower() for secret in _SECRET_NAMES)


def _without_tokens(value: Any) -> str:
    text = value if isinstance(value, str) else repr(value)
    may_have_tokens = "rt_" in text or "eyJ" in text  # searching takes 1 us for each value
    return _TOKENS.sub("[redacted]", text) if may_have_tokens else text
