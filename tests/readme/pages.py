"""A page of docs/ as a terminal session: a folder with a fresh server, and block after block as a reader runs them."""

import atexit
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from tests.harness import forks
from tests.harness.postgres import binaries, volatile
from tests.harness.process import free_port, run
from tests.readme.blocks import Block
from tests.readme.terminal import Foreground, Shell
from tests.readme.transcript import Step, assert_matches, steps

NOT_RUN = "not run: "
"""How the comment above a block begins that cannot run here; the reason follows."""
SHOWN_ONLY = {"text", "json", "toml", "ini", "nginx", "yaml", "sql", "mermaid", "java", "javascript", "go", "html"}
POSTGRESQL = "docs/how-to/postgresql.md"
PORTS = ("8000", "8100", "9000")
PLACEHOLDERS = {
    "client-id": r"client_id\W+(c_[0-9a-f]{32})",
    "client-secret": r"client_secret\W+([\w-]{43})",
    "kid": r"(?m)^([\w-]{43}) +RS256 +active ",
    "pending-kid": r"(?m)^([\w-]{43}) +RS256 +pending ",
    "user-id": r"\b(u_[0-9a-f]{32})\b",
    "authorization-id": r"(?m)^([0-9a-f]{32}) ",
    "access-token": r"access_token\W+(eyJ[\w.-]+)",
    "refresh-token": r"refresh_token\W+(rt_[\w-]+)",
}
"""What a reader copies from the output of earlier commands; the newest one counts."""


@dataclass
class Session:
    """A terminal in the server's folder, with `.venv` active."""

    folder: Path
    notes: Path
    ports: dict[str, str]
    """Each port that the pages name, and the free one that is used instead."""
    seen: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        commands = self.notes / "commands"
        commands.mkdir()
        forks.install_command(commands)
        self.environment = {
            "PATH": f"{commands}:{Path(sys.prefix) / 'bin'}:/usr/local/bin:/usr/bin:/bin:/usr/sbin",
            "HOME": str(self.notes),
            "AUTHSERVER_ISSUER": f"http://127.0.0.1:{self.ports['8000']}",
        }
        self.shell = Shell(self.folder, self.environment, self.notes / "pasted")
        self.server: Foreground | None = None

    def prepare(self) -> None:
        """What every page but the tutorials takes for granted: a server that runs."""
        shutil.copytree(initialised(), self.folder, dirs_exist_ok=True)
        command = f"exec authserver serve --port {self.ports['8000']}"
        self.server = Foreground(command, self.folder, self.environment, self.notes / "server.log")
        self.server.wait_until_it_serves(f"{self.environment['AUTHSERVER_ISSUER']}/health/ready")

    def end(self) -> None:
        self.shell.end()
        if self.server:
            self.server.end()

    def run(self, page: list[Block]) -> None:
        for block, after in zip(page, [*page[1:], None], strict=True):
            if block.note.startswith(NOT_RUN) or block.kind in SHOWN_ONLY:
                continue
            if block.file:
                (self.folder / block.file).write_text(self.here(block.text))
            else:
                output = after.text if after and block.kind == "bash" and after.kind == "text" else None
                for step in steps(block.text) if block.kind == "console" else [Step(block.text, output)]:
                    self.take(step, f"line {block.line}")

    def take(self, step: Step, where: str) -> None:
        printed = self.printed(step, where)
        if step.output is not None:
            assert_matches(step.output, printed, f"{where}, {step.command}")

    def printed(self, step: Step, where: str) -> str:
        """What the command prints, as it would with the ports that the page names."""
        pasted = self.shell.paste(f"{{ {self.here(step.command)}\n}} 2>&1")
        shown_to_fail = step.output is not None and re.search(r"^(Error|Not good|FAILED)|HTTP/1", step.output, re.M)
        assert not pasted.failed or shown_to_fail, f"{where}: {step.command}\n{pasted}"
        for name, pattern in PLACEHOLDERS.items():
            if found := re.search(pattern, pasted.out):
                self.seen[name] = found[1]
        return self.there(pasted.out)

    def here(self, text: str) -> str:
        """With the ports of this run, and the values that the reader would put in place of `<client-id>`."""
        text = re.sub(rf"\b({'|'.join(self.ports)})\b", lambda found: self.ports[found[1]], text)
        return re.sub(r"<([a-z-]+)>", lambda found: self.seen.get(found[1], found[0]), text)

    def there(self, text: str) -> str:
        for port, taken in self.ports.items():
            text = text.replace(taken, port)
        return text.replace(str(self.folder), "/srv/authserver")


@cache
def initialised() -> Path:
    """A folder as `authserver init` leaves it, to be copied; it takes a second for each page otherwise."""
    folder = Path(tempfile.mkdtemp(prefix="authserver-initialised-"))
    atexit.register(shutil.rmtree, folder)
    run("init", folder=folder)
    return folder


@contextmanager
def session(folder: Path, page: str) -> Iterator[Session]:
    """A terminal for this page, with the server that it takes for granted."""
    (folder / "authserver").mkdir()
    opened = Session(folder / "authserver", folder, {port: str(free_port()) for port in PORTS})
    try:
        opened.prepare()
        with databases(opened, page):
            yield opened
    finally:
        opened.end()


@contextmanager
def databases(session: Session, page: str) -> Iterator[None]:
    """Two empty databases for the page on PostgreSQL."""
    programs = binaries()
    if programs is None or not page.endswith(POSTGRESQL):
        yield
        return
    server = volatile(programs)
    try:
        server.start()
        for name in ("database-url", "empty-database-url"):
            session.seen[name] = server.url(server.create_database())
        yield
    finally:
        server.remove()
