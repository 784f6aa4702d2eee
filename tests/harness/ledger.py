"""The tokens that a client has received, on disk: a response counts once its token is written here and fsynced."""

import os
from pathlib import Path


class Ledger:
    """A file with one token per line, the newest last."""

    def __init__(self, path: Path, first: str) -> None:
        self._path = path
        self.append(first)

    def append(self, token: str) -> None:
        with self._path.open("a") as file:
            file.write(f"{token}\n")
            file.flush()
            os.fsync(file.fileno())

    def newest(self) -> str:
        return self._path.read_text().split()[-1]
