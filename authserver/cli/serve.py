"""authserver serve."""

import multiprocessing
import signal
import socket
from contextlib import suppress
from functools import partial
from threading import Thread
from typing import Any

import click

from ..settings import Settings, load

_KEEP_ALIVE = 5  # seconds
_DRAIN = 20  # seconds
_BACKLOG = 2048  # connections


@click.command("serve")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", default=8000, show_default=True, type=click.IntRange(0, 65535), help="Port; 0 takes a free one."
)
@click.option("--workers", default=1, show_default=True, type=click.IntRange(1, 64), help="Processes.")
def command(host: str, port: int, workers: int) -> None:
    """Serve HTTP until SIGTERM or Ctrl-C; requests that have begun are answered.

    \b
    Examples:
      authserver serve --port 8000
      AUTHSERVER_ISSUER=https://login.example authserver serve --host 0.0.0.0 --workers 4
    """
    from uvicorn import Config, Server

    settings = load()
    _check_and_warn(settings)
    listener = _listen(host, port)
    shown = f"[{host}]" if ":" in host else host
    click.echo(f"Serving {settings.issuer} on http://{shown}:{listener.getsockname()[1]}", err=True)
    config = Config(
        partial(_create_app, settings),
        factory=True,
        workers=workers,
        log_config=None,
        access_log=False,
        server_header=False,
        ws="none",
        timeout_keep_alive=_KEEP_ALIVE,
        timeout_graceful_shutdown=_DRAIN,
    )
    with suppress(KeyboardInterrupt):  # uvicorn raises Ctrl-C again once it has shut down
        if workers == 1:
            Server(config).run(sockets=[listener])
        else:
            _run_workers(config, listener)


def _run_workers(config: Any, listener: socket.socket) -> None:
    from uvicorn.supervisors import Multiprocess

    class Workers(Multiprocess):
        def terminate_all(self) -> None:
            listener.close()  # else whoever connects while they finish waits for nobody
            super().terminate_all()

    Workers(config, sockets=[listener]).run()


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


def _check_and_warn(settings: Settings) -> None:
    """Refuse here what every worker would refuse, and say once what an operator should know."""
    from ..app import check

    for warning in (*settings.warnings(), *check(settings)):
        click.echo(f"Warning: {warning}", err=True)
