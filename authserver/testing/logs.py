"""Sends the log of an issuer for tests to `logging`, which the tests configure."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

import structlog

from ..logs import redact

_lock = Lock()
_running = 0
"""How many issuers use the configuration made here."""


@contextmanager
def to_logging() -> Iterator[None]:
    """Log to the logger `authserver`: one line of JSON for each entry, without tokens and passwords.

    If structlog is already configured, as in an API that uses it, that configuration stays.
    """
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
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.format_exc_info,  # not that of `rich`, which shows the values of variables
            redact,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.NOTSET),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
