"""Write the output of each console block of a page anew, where it is not what the command prints now.

.venv/bin/python -m tests.readme.refill docs/how-to/clients.md
"""

import re
import sys
import tempfile
from pathlib import Path

from tests.readme.blocks import Block, blocks
from tests.readme.pages import NOT_RUN, SHOWN_ONLY, Session, session
from tests.readme.transcript import Step, matches, steps

_SHORT = (
    (r"\b([cu]_[0-9a-f]{4})[0-9a-f]{28}\b", r"\1..."),
    (r"\b(eyJhbGciOi)[\w.-]+", r"\1..."),
    (r"\b(rt_[\w-]{6})[\w-]+", r"\1..."),
    (r"\b([0-9a-f]{8})[0-9a-f]{24}\b", r"\1..."),
    (r"(?<![\w.-])([\w-]{6})[\w-]{37}(?![\w.-])", r"\1..."),
)


def shortened(text: str) -> str:
    for pattern, word in _SHORT:
        text = re.sub(pattern, word, text)
    return "\n".join(line.rstrip() for line in aligned(text.rstrip().splitlines()))


def aligned(lines: list[str]) -> list[str]:
    """The columns of a table, whose cells are two spaces apart, as narrow as they can be."""
    rows = [re.split(r" {2,}", line) for line in lines]
    if len(rows) < 2 or len(rows[0]) < 3 or len({len(row) for row in rows}) > 1:
        return lines
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]


def refilled(session: Session, page: list[Block], text: str) -> str:
    for block in page:
        if block.note.startswith(NOT_RUN) or block.kind in SHOWN_ONLY:
            continue
        if block.file:
            (session.folder / block.file).write_text(session.here(block.text))
            continue
        if block.kind == "console":
            text = text.replace(block.text, "".join(_step(session, step) for step in steps(block.text)), 1)
        else:
            session.printed(Step(block.text, "HTTP/1"), f"line {block.line}")
    return text


def _step(session: Session, step: Step) -> str:
    printed = session.printed(Step(step.command, "HTTP/1"), step.command)
    kept = step.output is not None and matches(step.output, printed)
    output = step.output if kept else shortened(printed)
    return f"$ {step.command}\n" + (f"{output}\n" if output else "")


def refill(page: Path) -> None:
    with tempfile.TemporaryDirectory() as made, session(Path(made).resolve(), str(page)) as opened:
        page.write_text(refilled(opened, blocks(page.read_text()), page.read_text()))


if __name__ == "__main__":
    for name in sys.argv[1:]:
        refill(Path(name))
