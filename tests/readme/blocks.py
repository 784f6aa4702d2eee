"""The code blocks of README.md, in order, each with the heading that it stands under."""

import re
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"


@dataclass(frozen=True)
class Block:
    heading: str
    number: int
    """Among those of this heading and kind, from 1."""
    kind: str
    """What stands behind the opening fence."""
    text: str
    line: int
    note: str = ""
    """What the comment right above it says: `not run: <why>`."""

    @property
    def name(self) -> str:
        return f"{self.heading} {self.number}"

    @property
    def file(self) -> str | None:
        """The file that it is to be written to: Python whose first line is a comment with a name."""
        found = re.match(r"# (\w+\.py)\n", self.text)
        return found[1] if found and self.kind == "python" else None


def blocks(markdown: str) -> list[Block]:
    found: list[Block] = []
    kept: list[str] = []
    heading, opened = "", None
    lines = markdown.splitlines()
    for number, line in enumerate(lines, 1):
        if opened is None:
            heading = line.lstrip("# ") if re.match(r"#+ ", line) else heading
            if fence := re.match(r"\s*(?:```|~~~)\s*(.*)", line):
                opened, kept = (fence[1].strip(), number), []
        elif re.match(r"\s*(?:```|~~~)\s*$", line):
            like = sum(block.heading == heading and block.kind == opened[0] for block in found)
            note = re.fullmatch(r"<!-- (.*) -->", lines[opened[1] - 2] if opened[1] > 1 else "")
            text = "".join(f"{kept}\n" for kept in kept)
            found.append(Block(heading, like + 1, opened[0], text, opened[1], note[1] if note else ""))
            opened = None
        else:
            kept.append(line)
    assert opened is None, f"the block that line {opened[1]} opens is never closed"
    return found


def prose(markdown: str) -> str:
    """All that is in no block."""
    inside = {block.line + offset for block in blocks(markdown) for offset in range(block.text.count("\n") + 2)}
    return "\n".join(line for number, line in enumerate(markdown.splitlines(), 1) if number not in inside)


def tables(markdown: str) -> list[list[list[str]]]:
    """Each table's rows, without its head, as cells."""
    lines = prose(markdown).splitlines()
    runs = [list(run) for is_row, run in groupby(lines, lambda line: line.startswith("|")) if is_row]
    return [[[cell.strip() for cell in row.strip("|").split("|")] for row in run[2:]] for run in runs]
