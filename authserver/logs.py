"""Logs one JSON object per line to stderr, and redacts everything that could be a token or a password."""

import logging
import re
import sys
from typing import Any

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
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level.upper())),
        logger_factory=structlog.stdlib.LoggerFactory(),
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


def redact(_logger: object, _method: str, event: Any) -> Any:
    """Redact secrets in an event; this is a structlog processor."""
    return {name: _redacted(name, value) for name, value in event.items()}


def _redacted(name: str, value: Any) -> Any:
    if value is None or isinstance(value, int | float) or name.startswith("_"):  # the latter are structlog's own
        return value
    if any(secret in name.lower() for secret in _SECRET_NAMES):
        return "[redacted]"
    if isinstance(value, dict):
        return {_without_tokens(inner): _redacted(str(inner), value[inner]) for inner in value}
    if isinstance(value, list | tuple | set):
        return [_redacted(name, inner) for inner in value]
    return _without_tokens(value)


def _without_tokens(value: Any) -> str:
    return _TOKENS.sub("[redacted]", value if isinstance(value, str) else repr(value))
