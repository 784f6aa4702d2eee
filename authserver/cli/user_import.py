"""authserver user import."""

import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from json import JSONDecodeError
from tempfile import TemporaryFile
from typing import IO, Any

import click

from .. import system
from ..domain import claim_rules, email_address, strict_json
from ..domain.models import User
from ..domain.times import counted
from ..domain.user_rules import check_id, check_username, new_id
from ..foreign_hashes import canonical
from ..passwords import username_form
from ..settings import load
from ..store import clients, user_claims, users
from ..store.database import Connection
from ..store.user_claims import EmailInUse
from .common import as_json, fail, now, reading, show, transact
from .progress import progress
from .recording import record_many

_REQUIRED = {"username", "password_hash"}
_ALLOWED = {*_REQUIRED, "claims", "disabled", "id"}
_MAX_LINE = 1 << 16  # bytes
_BATCH = 1000  # users in one transaction: running servers write in between
_STOPPED = "{} imported before it stopped. To continue with the rest, run the command again with --skip-existing."

Line = tuple[int, bytes]
"""A line's number, counted from 1, and its content."""


@click.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True))
@click.option("--skip-existing", is_flag=True, help="Leave users that exist already as they are.")
@click.option("--dry-run", is_flag=True, help="Only check the file and count its users.")
@as_json
def import_(file: str, skip_existing: bool, dry_run: bool, as_json: bool) -> None:
    """Import users with the password hashes that another server made. FILE is - for stdin.

    Each line is a JSON object with `username`, `password_hash`, and optionally `claims`, `disabled` and `id` (the `sub`
    of the user's tokens). The whole file is checked first: if a line is not valid, nothing is imported. A user's first
    login replaces the hash with an Argon2id hash.

    \b
    Examples:
      authserver user import users.jsonl --dry-run
      jq -c ... realm-export.json | authserver user import - --skip-existing
    """
    with click.open_file(file, "rb") as given, _rereadable(given) as lines:
        check = _check(lines, skip_existing)
        for number, problem in check.problems:
            click.echo(f"Line {number}: {problem}", err=True)
        if check.problems:
            raise fail(f"{counted(len(check.problems), 'line')} cannot be imported. Nothing was imported.")
        imported = check.new if dry_run else _import(lines, check.new, skip_existing)
    skipped = check.new + check.existing - imported
    what = "Would import" if dry_run else "Imported"
    click.echo(f"{what} {counted(imported, 'user')}." + (f" Skipped {skipped:,}." if skipped else ""), err=True)
    if as_json:
        show({"imported": imported, "skipped": skipped, "dry_run": dry_run}, as_json, str)


@dataclass
class _Check:
    """The result of reading the whole file."""

    skip_existing: bool
    new: int = 0
    existing: int = 0
    problems: list[tuple[int, str]] = field(default_factory=list)
    lines_of: dict[str, int] = field(default_factory=dict)
    """The line of each username, each id and each verified address."""

    def add(self, connection: Connection, lines: Iterable[Line]) -> None:
        parsed = [(number, user) for number, line in lines if (user := self._parsed(number, line))]
        names = users.load_many(connection, [user.username for _, user in parsed])
        ids = [user.id for _, user in parsed if user.id]
        taken = {*users.ids_in_use(connection, ids), *clients.load_many(connection, ids)}
        owners = user_claims.owners_of(connection, [email for _, user in parsed if (email := _email(user))])
        for number, user in parsed:
            if user.username in names and not self.skip_existing:
                self.problems.append((number, f"The user {user.username} already exists."))
            elif user.username in names:
                self.existing += 1
            elif user.id in taken:
                # RFC 9700 s4.15: a subject must not be mistaken for a client.
                self.problems.append((number, f"The id {user.id} is in use by another user or by a client."))
            elif _email(user) in owners:
                self.problems.append((number, str(EmailInUse(_email(user)))))
            else:
                self.new += 1

    def _parsed(self, number: int, line: bytes) -> User | None:
        try:
            user = _user(line)
            for what, text in (("username", user.username), ("id", user.id), ("verified address", _email(user))):
                first = self.lines_of.setdefault(f"{what} {text}", number)
                if text and first != number:
                    raise ValueError(f"Line {first} has the same {what}.")
        except ValueError as error:
            self.problems.append((number, str(error)))
            return None
        return user


def _check(lines: IO[bytes], skip_existing: bool) -> _Check:
    check, size = _Check(skip_existing), lines.seek(0, 2)
    with progress("Checking the file") as display, reading(load()) as connection:
        for batch in _batches(lines):
            check.add(connection, batch)
            display.count("Checking bytes", lines.tell(), size)
    check.problems.sort()
    return check


def _import(lines: IO[bytes], total: int, skip_existing: bool) -> int:
    """Import the users in batches, each in its own transaction. Returns how many were new."""
    imported = 0
    try:
        with progress("Importing") as display:
            for batch in _batches(lines):
                given = [_user(line) for _, line in batch]
                imported += transact(partial(_add, given=given, skip_existing=skip_existing))
                display.count("Imported", imported, total)
    except BaseException:
        if imported:
            click.echo(_STOPPED.format(counted(imported, "user")), err=True)
        raise
    return imported


def _add(connection: Connection, given: list[User], skip_existing: bool) -> int:
    existing = users.load_many(connection, [user.username for user in given])
    if existing and not skip_existing:
        raise fail(f"The user {min(existing)} was created in the meantime.")
    at = now(connection)
    new = [
        replace(user, id=user.id or new_id(system.new_id()), created_at=at)
        for user in given
        if user.username not in existing
    ]
    if new:
        users.add_many(connection, new)
        record_many(connection, "user_created", new, reason="imported")
    return len(new)


def _user(line: bytes) -> User:
    """Return the user of one line; the id is empty if the line has none. Raises ValueError."""
    members = _members(line)
    name, disabled = members["username"], members.get("disabled", False)
    if not isinstance(disabled, bool):
        raise ValueError("The member disabled is not true or false.")
    return User(
        id=check_id(members["id"]) if "id" in members else "",
        username=check_username(username_form(name) if isinstance(name, str) else None),
        password_hash=canonical(members["password_hash"]),
        disabled=disabled,
        claims=claim_rules.check(members.get("claims", {}), system.now()),
    )


def _email(user: User) -> str:
    """Return the verified address of the user; "" if there is none."""
    return email_address.verified_in(user.claims or {}) or ""


def _members(line: bytes) -> dict[str, Any]:
    if len(line) > _MAX_LINE:
        raise ValueError(f"The line has more than {_MAX_LINE} bytes.")
    try:
        members = strict_json.parse(line)
    except JSONDecodeError as error:
        raise ValueError(f"The line is not JSON: {error.msg}, at character {error.pos + 1}.") from None
    except UnicodeDecodeError:
        raise ValueError("The line is not UTF-8.") from None
    if missing := _REQUIRED - members.keys():
        raise ValueError(f"The member {min(missing)} is missing.")
    if unknown := members.keys() - _ALLOWED:
        raise ValueError(f"There is no member {min(unknown)[:64]!r}. Allowed: {', '.join(sorted(_ALLOWED))}.")
    return members


def _batches(file: IO[bytes]) -> Iterator[list[Line]]:
    batch: list[Line] = []
    for line in _lines(file):
        batch.append(line)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _lines(file: IO[bytes]) -> Iterator[Line]:
    """Yield all lines except blank ones. Of a line that is too long, only the beginning is kept."""
    file.seek(0)
    number = 0
    while line := file.readline(_MAX_LINE + 1):
        number, end = number + 1, line
        while end and not end.endswith(b"\n"):
            end = file.readline(_MAX_LINE)
        if line.strip():
            yield number, line


@contextmanager
def _rereadable(file: IO[bytes]) -> Iterator[IO[bytes]]:
    """Yield a file that can be read twice. A pipe is copied to a temporary file without a name, which others cannot
    read."""
    if file.seekable():
        yield file
        return
    with TemporaryFile() as copy:
        shutil.copyfileobj(file, copy)
        yield copy
