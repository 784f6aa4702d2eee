"""What a client has received, on disk: an answer counts when it stands here, fsynced."""

import os
from pathlib import Path


class Ledger:
    """One token a line, the newest last."""

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
