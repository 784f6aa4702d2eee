"""authserver doctor: looks for everything that is wrong with an installation, and says how to fix it."""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict

import click

from ... import system
from ...clock import Clock
from ...domain.errors import Misconfigured, Unavailable
from ...domain.models import Client
from ...domain.times import counted
from ...provisioning import lifecycle, open_existing_database
from ...settings import Settings, load
from ...store import clients, deliveries, outbox
from ...store.database import Database
from ..common import as_json, show
from . import (
    clients_check,
    database_check,
    deliveries_check,
    departures,
    issuer_check,
    keys_check,
    limits_check,
    machine_check,
    mail_check,
    proxies_check,
    settings_check,
)
from .finding import ERROR, LEVELS, OK, WARNING, Finding, of_error

Check = Callable[[], list[Finding]]


@click.command("doctor")
@click.option(
    "--workers", default=1, show_default=True, type=click.IntRange(1, 64), help="How many workers `serve` starts."
)
@click.option("--offline", is_flag=True, help="Do not connect to the issuer's URL.")
@click.option("--strict", is_flag=True, help="Exit with 1 for a warning, too, not only for an error.")
@as_json
def command(workers: int, offline: bool, strict: bool, as_json: bool) -> None:
    """Check settings, database, keys, clients, clock and the issuer's URL. Each finding comes with its fix.

    Nothing is changed. The exit code is 1 if there is an error: run it from your monitoring, as the server's user, in
    the server's folder and environment.

    \b
    Examples:
      authserver doctor
      authserver doctor --workers 4 --strict --json
    """
    findings = list(_findings(workers, offline))
    rows = [asdict(finding) for finding in findings]
    show(rows, as_json, lambda: _text(findings))
    worst = max(LEVELS.index(finding.level) for finding in findings)
    raise SystemExit(int(worst >= LEVELS.index(WARNING if strict else ERROR)))


def _findings(workers: int, offline: bool) -> Iterator[Finding]:
    try:
        settings = load()
    except Misconfigured as error:
        yield of_error(settings_check.CHECK, error)
        return
    yield from settings_check.check(settings)
    yield from proxies_check.check(settings)
    yield from limits_check.check(settings)
    yield from machine_check.check_workers(workers)
    yield from machine_check.check_passwords(system.cpu_time, machine_check.free_memory(), workers)
    yield mail_check.check(settings, offline=offline)
    yield from _of_database(settings, workers, offline)


def _of_database(settings: Settings, workers: int, offline: bool) -> Iterator[Finding]:
    clock = Clock()
    try:
        database = open_existing_database(settings, clock)
    except (Misconfigured, Unavailable) as error:
        yield of_error(database_check.CHECK, error)
        return
    with closing(database):
        findings = _reported(database_check.CHECK, lambda: _rows(settings, database, workers))
        yield from findings
        if any(finding.level == ERROR for finding in findings):
            return
        keys = lifecycle(settings, database, clock)
        yield from _reported(keys_check.CHECK, lambda: keys_check.check(settings, database, keys, clock))
        kids = [key.kid for key in keys.read() if key.state in ("pending", "active", "retired")]
    if not offline:
        yield from issuer_check.check(settings.issuer, kids, system.now)


def _rows(settings: Settings, database: Database, workers: int) -> list[Finding]:
    with database.begin() as connection:
        findings = database_check.check(connection, workers)
        findings += database_check.check_clock(connection)
        findings += deliveries_check.check(settings, deliveries.progress_many(connection, []), system.now())
        findings += mail_check.check_outbox(outbox.failing(connection), system.now())
        enabled = [client for client in clients.load_all(connection) if not client.disabled]
    return [*findings, *_of_clients(settings, enabled)]


def _of_clients(settings: Settings, enabled: list[Client]) -> list[Finding]:
    return [*clients_check.check(settings, enabled, system.now()), *departures.check(settings, enabled)]


def _reported(name: str, check: Check) -> list[Finding]:
    """Return what the check finds. If the check itself fails, that is its finding."""
    try:
        return check()
    except (Misconfigured, Unavailable) as error:
        return [of_error(name, error)]


def _text(findings: list[Finding]) -> str:
    """Return the serious findings first, each with its fix below it."""
    lines: list[str] = []
    for level in reversed(LEVELS):
        for finding in (finding for finding in findings if finding.level == level):
            lines.append(f"{level:<8} {finding.check:<10} {finding.finding}")
            lines += [f"{'':<20}{finding.fix}"] if finding.fix else []
    counts = [counted(sum(finding.level == level for finding in findings), level) for level in (ERROR, WARNING)]
    well = sum(finding.level == OK for finding in findings)
    return "\n".join([*lines, "", f"{counts[0]}, {counts[1]}, and {well} checks without one."])
