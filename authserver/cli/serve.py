"""authserver serve."""

import multiprocessing
import re
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from resource import RLIM_INFINITY, RLIMIT_NOFILE, getrlimit, setrlimit
from threading import Thread
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from ..settings import Settings, load
from . import listening, sighup

if TYPE_CHECKING:
    from uvicorn import Config

_DRAIN = 20  # seconds
_START = 30  # seconds in which a worker must serve, and answer its parent: the machine may be busy
_OTHER_FILES = 256  # that a process may have open beside its connections


def _octal(context: click.Context, parameter: click.Parameter, text: str) -> int:
    """A file's mode, as chmod takes it."""
    if not re.fullmatch("[0-7]{3}", text):
        raise click.BadParameter(f"{text!r} is not a mode such as 660.")
    return int(text, 8)


@click.command("serve")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", default=8000, show_default=True, type=click.IntRange(0, 65535), help="Port; 0 takes a free one."
)
@click.option("--uds", type=click.Path(path_type=Path), help="Listen on a Unix socket at this path instead.")
@click.option(
    "--uds-mode", callback=_octal, default="660", show_default=True, help="Who may connect to the Unix socket."
)
@click.option("--fd", type=click.IntRange(0), help="Listen on this open socket instead, as systemd passes it.")
@click.option("--workers", default=1, show_default=True, type=click.IntRange(1, 64), help="Processes.")
def command(host: str, port: int, uds: Path | None, uds_mode: int, fd: int | None, workers: int) -> None:
    """Serve HTTP until SIGTERM or Ctrl-C; requests that have begun are answered.

    SIGHUP reads the settings again and loses no request: several workers are replaced one by one; one process alone
    starts again, and who connects meanwhile waits.

    \b
    Examples:
      authserver serve --port 8000
      AUTHSERVER_ISSUER=https://login.example authserver serve --host 0.0.0.0 --workers 4
      AUTHSERVER_ISSUER=https://login.example authserver serve --uds /run/authserver/http.sock
    """
    _check_one_place(click.get_current_context())
    sighup.hold()
    from .serving import Workers, serve_alone

    settings = load()
    _check_and_warn(settings, workers)
    config, read_again = _configure(workers, settings), partial(_read_again, workers)
    with suppress(KeyboardInterrupt), _listener(host, port, uds, uds_mode, fd) as listener:  # uvicorn raises it again
        click.echo(f"Serving {settings.issuer} on {listening.shown(listener)}", err=True)
        if workers == 1:
            serve_alone(config, listener, read_again)
        else:
            Workers(config, listener, read_again).run()


def _check_one_place(context: click.Context) -> None:
    places = (("host", "port"), ("uds",), ("fd",))
    given = [
        names[0]
        for names in places
        if any(context.get_parameter_source(name) is ParameterSource.COMMANDLINE for name in names)
    ]
    if len(given) > 1:
        raise click.UsageError("Name one place to listen on: --host and --port, or --uds, or --fd.")


@contextmanager
def _listener(host: str, port: int, uds: Path | None, mode: int, fd: int | None) -> Iterator[socket.socket]:
    if uds is not None:
        with listening.unix_socket(uds, mode) as listener:
            yield listener
    else:
        yield listening.listen(host, port) if fd is None else listening.adopt(fd)


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
