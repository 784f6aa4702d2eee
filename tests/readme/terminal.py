"""Two terminals: one in which a command stays in the foreground, and one into which block after block is pasted."""

import select
import signal
import subprocess
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.error import URLError

from tests.harness.process import end_group

# Every command that fails is noted, in functions and in $(...) too, and the shell goes on, as a newcomer's would.
_PRELUDE = """set -E -o pipefail; exec 8>>{failed}; trap 'echo "$?: $BASH_COMMAND" >&8' ERR\n"""


@dataclass(frozen=True)
class Pasted:
    out: str
    err: str
    failed: list[str]
    """`<exit code>: <command>` of each that failed."""

    def __str__(self) -> str:
        return f"failed: {self.failed}\nstdout:\n{self.out}\nstderr:\n{self.err}"


class Shell:
    """A terminal's shell; whatever was started in it ends with it."""

    def __init__(self, folder: Path, environment: dict[str, str], notes: Path) -> None:
        self.notes, self.pasted = notes, 0
        notes.mkdir()
        self.process = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        try:
            self._send(_PRELUDE.format(failed=self.notes / "failed"))
        except BaseException:
            self.end()
            raise

    def paste(self, text: str, seconds: float = 120) -> Pasted:
        self.pasted += 1
        script, out, err = (self.notes / f"{self.pasted}.{end}" for end in ("sh", "out", "err"))
        script.write_text(f"{text}\n:\n")  # else the last command's failure would be that of `source` too
        known = len(self._failed())
        self._send(f"source {script} >{out} 2>{err} </dev/null; echo done\n")
        ready, _, _ = select.select([self._stdout], [], [], seconds)
        answered = self._stdout.readline() if ready else b""
        pasted = Pasted(out.read_text(), err.read_text(), self._failed()[known:])
        assert answered == b"done\n", f"no end after {seconds} s, or the shell has left:\n{text}\n{pasted}"
        return pasted

    def end(self) -> None:
        end_group(self.process, signal.SIGKILL)

    def _failed(self) -> list[str]:
        file = self.notes / "failed"
        return file.read_text().splitlines() if file.exists() else []

    def _send(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line.encode())
        self.process.stdin.flush()

    @property
    def _stdout(self) -> IO[bytes]:
        assert self.process.stdout is not None
        return self.process.stdout


class Foreground:
    """A command that stays, as in a terminal of its own."""

    def __init__(self, command: str, folder: Path, environment: dict[str, str], log: Path) -> None:
        self.log = log
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                ["bash", "-c", command],
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def wait_until_it_serves(self, url: str, seconds: float = 60) -> None:
        end = time.monotonic() + seconds
        while self.process.poll() is None and time.monotonic() < end:
            try:
                urllib.request.urlopen(url, timeout=5).close()
                return
            except (URLError, OSError):
                time.sleep(0.05)
        raise AssertionError(f"{url} is not served:\n{self.log.read_text()}")

    def ctrl_c(self) -> int:
        end_group(self.process, signal.SIGINT)
        return self.process.returncode

    def end(self) -> None:
        end_group(self.process, signal.SIGKILL)
