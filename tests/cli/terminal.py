"""The authserver command at a terminal."""

import os
import pty
import struct
import subprocess
import sys
from fcntl import ioctl
from termios import TIOCSWINSZ

from tests.harness.process import environment_with


def converse(*arguments: str, answers: dict[str, str] | None = None, code: int = 0, columns: int = 80) -> str:
    """What a terminal shows of the command; each answer is typed where its prompt appears."""
    ours, theirs = pty.openpty()
    ioctl(theirs, TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-m", "authserver", *arguments],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=environment_with({}) | {"COLUMNS": ""},
        start_new_session=True,
    )
    os.close(theirs)
    shown = ""
    for prompt, answer in (answers or {}).items():
        shown += _read_until(ours, prompt)
        os.write(ours, f"{answer}\n".encode())
    shown += _read_until(ours, None)
    os.close(ours)
    assert process.wait(60) == code, shown
    return shown.replace("\r\n", "\n")


def _read_until(terminal: int, word: str | None) -> str:
    """To the word, or else to the end."""
    shown = ""
    while word is None or word not in shown:
        try:
            shown += os.read(terminal, 4096).decode()
        except OSError:  # the other side has been closed
            break
    return shown
