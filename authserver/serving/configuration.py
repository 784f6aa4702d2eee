"""Configures uvicorn, and the application that each of its workers runs."""

import gc
import multiprocessing
import signal
from contextlib import suppress
from functools import partial
from resource import RLIM_INFINITY, RLIMIT_NOFILE, getrlimit, setrlimit
from threading import Thread

from uvicorn import Config

from .. import logs
from ..app import assemble
from ..settings import Settings
from ..web.routes import ASGIApp
from .connection import Connection
from .draining import Draining
from .limit import ConnectionLimit
from .management import Managed, Management, ManagementServer

_DRAIN_TIMEOUT = 20  # seconds
_START_TIMEOUT = 30  # seconds in which a worker must start and respond to its parent, even on a busy machine
_GC_THRESHOLDS = (10_000, 20, 20)  # objects, and collections of the previous generation
_OTHER_FILES = 256  # files that a process may have open in addition to its connections


def configure(settings: Settings, workers: int, management: Management | None = None) -> Config:
    """Return uvicorn's configuration for these settings and this many workers."""
    return Config(
        partial(create_worker_app, settings, workers, management),
        factory=True,
        http=partial(Connection, limit=ConnectionLimit(settings.max_connections)),  # type: ignore[arg-type]
        workers=workers,
        log_config=None,
        access_log=False,
        proxy_headers=False,  # web/network.py reads them, if AUTHSERVER_TRUSTED_PROXIES allows it
        server_header=False,
        ws="none",
        timeout_keep_alive=settings.keep_alive,
        timeout_graceful_shutdown=_DRAIN_TIMEOUT,
        timeout_worker_healthcheck=_START_TIMEOUT,
    )


def create_worker_app(settings: Settings, workers: int, management: Management | None = None) -> ASGIApp:
    """Create the application. uvicorn calls this once in each of the workers."""
    Thread(target=_stop_with_parent, daemon=True).start()
    logs.configure(settings.log_level)
    assembly = assemble(settings, workers=workers, sheet=management.sheet if management else None)
    metrics, draining = assembly.metrics, Draining(assembly.app)
    _leave_to_reference_counts()
    if management is None or metrics is None:
        return draining
    return Managed(draining, ManagementServer(draining.marking(metrics.app), metrics.sample, management.listener))


def _leave_to_reference_counts() -> None:
    """Make the garbage collector look for cycles rarely, and never among objects that live as long as the process."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_GC_THRESHOLDS)


def _stop_with_parent() -> None:
    """Stop this worker when its parent is killed: otherwise it would keep serving unsupervised, on the same port."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        signal.raise_signal(signal.SIGTERM)


def allow_open_files(connections: int) -> list[str]:
    """Raise this process's limit of open files, which workers inherit, to the number that `connections` need.

    Returns a warning if the system allows fewer."""
    wanted, (soft, hard) = connections + _OTHER_FILES, getrlimit(RLIMIT_NOFILE)
    soft, maximum = (wanted if limit == RLIM_INFINITY else limit for limit in (soft, hard))
    if soft < wanted:
        with suppress(ValueError, OSError):
            setrlimit(RLIMIT_NOFILE, (min(wanted, maximum), hard))
    if maximum >= wanted:
        return []
    return [
        f"AUTHSERVER_MAX_CONNECTIONS={connections} needs {wanted} open files, but the system allows {maximum}. Raise "
        f"the limit (LimitNOFILE= in systemd, ulimit -Hn) or set "
        f"AUTHSERVER_MAX_CONNECTIONS={max(10, maximum - _OTHER_FILES)}"
    ]
