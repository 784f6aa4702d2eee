"""authserver serve."""

import re
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from ..serving import listening, sighup
from ..settings import Settings, load
from .common import transaction
from .recording import record

if TYPE_CHECKING:
    from uvicorn import Config

    from ..serving.management import Management


def _octal(_context: click.Context, _parameter: click.Parameter, text: str) -> int:
    """A file's mode, as chmod takes it."""
    if not re.fullmatch("[0-7]{3}", text):
        raise click.BadParameter(f"{text!r} is not a mode such as 660.")
    return int(text, 8)


@click.command("serve")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", default=8000, show_default=True, type=click.IntRange(0, 65535), help="Port; 0 chooses a free one."
)
@click.option("--uds", type=click.Path(path_type=Path), help="Listen on a Unix socket at this path instead.")
@click.option(
    "--uds-mode", callback=_octal, default="660", show_default=True, help="File mode of the Unix socket, as for chmod."
)
@click.option("--fd", type=click.IntRange(0), help="Listen on this open socket instead, as passed by systemd.")
@click.option(
    "--workers", default=1, show_default=True, type=click.IntRange(1, 64), help="How many processes serve requests."
)
def command(host: str, port: int, uds: Path | None, uds_mode: int, fd: int | None, workers: int) -> None:
    """Serve HTTP until SIGTERM or Ctrl-C. Requests in progress are completed first.

    SIGHUP reloads the settings without losing a request. Several workers are replaced one by one; a single process
    restarts, and new connections wait until it is back.

    \b
    Examples:
      authserver serve --port 8000
      AUTHSERVER_ISSUER=https://login.example authserver serve --host 0.0.0.0 --workers 4
      AUTHSERVER_ISSUER=https://login.example authserver serve --uds /run/authserver/http.sock
    """
    _check_one_place(click.get_current_context())
    sighup.hold()  # before anything is imported that may start a thread
    from .. import logs
    from ..serving.configuration import configure
    from ..serving.processes import Workers, serve_in_one_process

    settings = load()
    for warning in _check(settings, workers):
        click.echo(f"Warning: {warning}", err=True)
    logs.configure(settings.log_level)
    with (
        suppress(KeyboardInterrupt),  # uvicorn raises it again
        _listener(host, port, uds, uds_mode, fd) as listener,
        _management(settings.management_address) as management,
    ):
        _record_settings(settings)  # once nothing keeps the server from starting
        click.echo(f"Issuer {settings.issuer}, listening on {listening.url_of(listener)}", err=True)
        if management is not None:
            click.echo(f"Metrics and health checks on {listening.url_of(management.listener)}", err=True)
        config = configure(settings, workers, management)
        reload_config = partial(_reload_config, settings, workers, management)
        if workers == 1:
            serve_in_one_process(config, listener, reload_config)
        else:
            Workers(config, listener, reload_config).run()


def _check_one_place(context: click.Context) -> None:
    places = (("host", "port"), ("uds",), ("fd",))
    given = [
        names[0]
        for names in places
        if any(context.get_parameter_source(name) is ParameterSource.COMMANDLINE for name in names)
    ]
    if len(given) > 1:
        raise click.UsageError("Choose one place to listen on: --host and --port, or --uds, or --fd.")


@contextmanager
def _listener(host: str, port: int, uds: Path | None, mode: int, fd: int | None) -> Iterator[socket.socket]:
    try:
        if uds is not None:
            with listening.unix_socket(uds, mode) as listener:
                yield listener
        else:
            with closing(listening.listen(host, port) if fd is None else listening.adopt(fd)) as listener:
                yield listener
    except listening.CannotListen as error:
        raise (click.ClickException if fd is None else click.UsageError)(str(error)) from None


@contextmanager
def _management(address: str | None) -> Iterator["Management | None"]:
    if address is None:
        yield None
        return
    from ..observability.sheet import Sheet
    from ..serving.management import Management

    try:
        with listening.management(address) as listener:
            yield Management(listener, Sheet())
    except listening.CannotListen as error:
        raise click.ClickException(str(error)) from None


def _reload_config(first: Settings, workers: int, management: "Management | None") -> "Config | None":
    """Reload the configuration on SIGHUP. Returns None if it is invalid; then the server keeps the old one.

    `first` are the settings at the start: what they opened stays open."""
    import structlog

    from .. import logs
    from ..serving.configuration import configure

    log: Any = structlog.get_logger("authserver")
    try:
        settings = load()
        warnings = _check(settings, workers)
        _record_settings(settings)
    except Exception as error:  # whatever it is, the running server continues
        log.error("reload_failed", reason=str(error))
        return None
    logs.configure(settings.log_level)
    if settings.management_address != first.management_address:
        warnings.append("AUTHSERVER_MANAGEMENT_ADDRESS has changed: restart the server to listen there")
    for warning in warnings:
        log.warning("reload_warning", reason=warning)
    log.info("reloaded", issuer=settings.issuer)
    return configure(settings, workers, management)


def _check(settings: Settings, workers: int) -> list[str]:
    """Raise any error here instead of once in every worker. Returns the warnings, so that each is printed only once."""
    from ..provisioning import check
    from ..serving.configuration import allow_open_files

    return [*settings.warnings(), *check(settings, workers), *allow_open_files(settings.max_connections)]


def _record_settings(settings: Settings) -> None:
    """Record which settings differ from those of the last start on this database: their names, never a value."""
    from ..store import settings_seen

    with transaction(settings) as connection:
        if names := settings_seen.replace(connection, settings.digests()):
            record(connection, "settings_changed", reason=", ".join(names))
