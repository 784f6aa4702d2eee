"""Where the log of an issuer in a test's hands goes: to `logging`, whose settings are the tests'."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

import structlog

from ..logs import redact

_lock = Lock()
_running = 0
"""Issuers that rely on what was configured here."""


@contextmanager
def to_logging() -> Iterator[None]:
    """Each entry is a line of JSON without tokens and passwords, of the logger `authserver`. Tests that have configured
    structlog themselves, as an API may that logs by it, keep what they have."""
    global _running
    with _lock:
        mine = _running > 0 or not structlog.is_configured()
        _running += mine
        if mine and _running == 1:
            _configure()
    try:
        yield
    finally:
        with _lock:
            _running -= mine
            if mine and not _running:
                structlog.reset_defaults()


def _configure() -> None:
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.format_exc_info,  # not that of `rich`, which shows what the variables hold
            redact,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.NOTSET),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
