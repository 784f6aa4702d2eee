"""authserver serve."""

import multiprocessing
import signal
import socket
from contextlib import suppress
from functools import partial
from resource import RLIM_INFINITY, RLIMIT_NOFILE, getrlimit, setrlimit
from threading import Thread
from typing import TYPE_CHECKING

import click

from ..settings import Settings, load
from . import sighup

if TYPE_CHECKING:
    from uvicorn import Config

_DRAIN = 20  # seconds
_START = 30  # seconds in which a worker must serve, and answer its parent: the machine may be busy
_BACKLOG = 2048  # connections
_OTHER_FILES = 256  # that a process may have open beside its connections


@click.command("serve")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", default=8000, show_default=True, type=click.IntRange(0, 65535), help="Port; 0 takes a free one."
)
@click.option("--workers", default=1, show_default=True, type=click.IntRange(1, 64), help="Processes.")
def command(host: str, port: int, workers: int) -> None:
    """Serve HTTP until SIGTERM or Ctrl-C; requests that have begun are answered.

    SIGHUP reads the settings again and loses no request: several workers are replaced one by one; one process alone
    starts again, and who connects meanwhile waits.

    \b
    Examples:
      authserver serve --port 8000
      AUTHSERVER_ISSUER=https://login.example authserver serve --host 0.0.0.0 --workers 4
    """
    sighup.hold()
    from .serving import Workers, serve_alone

    settings = load()
    _check_and_warn(settings, workers)
    listener = _listen(host, port)
    shown = f"[{host}]" if ":" in host else host
    click.echo(f"Serving {settings.issuer} on http://{shown}:{listener.getsockname()[1]}", err=True)
    config, read_again = _configure(workers, settings), partial(_read_again, workers)
    with suppress(KeyboardInterrupt):  # uvicorn raises Ctrl-C again once it has shut down
        if workers == 1:
            serve_alone(config, listener, read_again)
        else:
            Workers(config, listener, read_again).run()


def _configure(workers: int, settings: Settings) -> "Config":
    from uvicorn import Config

    from ..web.connection import Connection
    from ..web.limit import ConnectionLimit

    return Config(
        partial(_create_app, settings),
        factory=True,
        http=partial(Connection, limit=ConnectionLimit(settings.max_connections)),  # type: ignore[arg-type]
        workers=workers,
        log_config=None,
        access_log=False,
        proxy_headers=False,  # web/network.py, by AUTHSERVER_TRUSTED_PROXIES
        server_header=False,
        ws="none",
        timeout_keep_alive=settings.keep_alive,
        timeout_graceful_shutdown=_DRAIN,
        timeout_worker_healthcheck=_START,
    )


def _read_again(workers: int) -> "Config | None":
    """For SIGHUP. None where the server would not start with the settings as they are now: it goes on with the old."""
    try:
        settings = load()
        _check_and_warn(settings, workers)
    except Exception as error:  # whatever it is, the server that serves goes on
        click.echo(f"SIGHUP changed nothing: {error}", err=True)
        return None
    click.echo(f"Serving {settings.issuer} by the settings as they are now", err=True)
    return _configure(workers, settings)


def _create_app(settings: Settings) -> object:
    """In each worker."""
    from .. import logs
    from ..app import create_app

    Thread(target=_leave_with_parent, daemon=True).start()
    logs.configure(settings.log_level)
    return create_app(settings)


def _leave_with_parent() -> None:
    """Workers whose parent was killed would serve on, watched by nobody, and keep the port from the next start."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        signal.raise_signal(signal.SIGTERM)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(_BACKLOG)  # whoever connects before the first worker is ready waits, and is not refused
    except OSError as error:
        listener.close()
        raise click.ClickException(
            f"Port {port} on {host} cannot be had: {error.strerror}. Take another one:\n\n"
            f"    authserver serve --host {host} --port {port + 1 if port < 65535 else 0}"
        ) from None
    listener.set_inheritable(True)
    return listener


def _check_and_warn(settings: Settings, workers: int) -> None:
    """Refuse here what every worker would refuse, and say once what an operator should know."""
    from ..app import check

    for warning in (*settings.warnings(), *check(settings, workers), *_allow_open_files(settings.max_connections)):
        click.echo(f"Warning: {warning}", err=True)


def _allow_open_files(connections: int) -> list[str]:
    """Raises the limit of open files, which workers inherit, to what that many need. A warning where it is too low."""
    wanted, (soft, hard) = connections + _OTHER_FILES, getrlimit(RLIMIT_NOFILE)
    soft, most = (wanted if limit == RLIM_INFINITY else limit for limit in (soft, hard))
    if soft < wanted:
        with suppress(ValueError, OSError):
            setrlimit(RLIMIT_NOFILE, (min(wanted, most), hard))
    if most >= wanted:
        return []
    return [
        f"AUTHSERVER_MAX_CONNECTIONS={connections} needs {wanted} open files, and the system allows {most}. Allow more "
        f"(LimitNOFILE= in systemd, ulimit -Hn) or set AUTHSERVER_MAX_CONNECTIONS={max(10, most - _OTHER_FILES)}"
    ]
