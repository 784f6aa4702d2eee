"""Console blocks: commands with the output that a reader sees, compared with what the commands print here.

In the expected output `...` stands for anything. Ids, tokens, times and the width of columns differ from run to run and
are not compared.
"""

import re
from dataclasses import dataclass

_VARYING = (
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "<time>"),
    (r"\b[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} [\d:]{8} GMT", "<time>"),
    (r"\b(in )?\d+ (second|minute|hour|day)s?\b( \d+ (second|minute|hour|day)s?\b)?", "<duration>"),
    (r"<duration> ago", "now"),  # which is what less than a second ago is called
    (r"\b([cu]_)[0-9a-f]{32}\b", r"\1..."),
    (r"\b(eyJ|rt_)[\w.-]+", r"\1..."),
    (r"\b(in \d+\.\d+s|\d+ bytes|content-length: \d+)|(?<=expires_at\":)\d+", "<number>"),
    (r"\bkek-\w+\.key\b", "<key file>"),
    (r"\b[0-9a-f]{32}\b", "..."),
    (r"(?<![\w.-])[\w-]{43}(?![\w.-])", "..."),
    (r"\b(refresh-)[0-9a-f]{16}\b", r"\1..."),
    (r"\b([cu]_|eyJ|rt_|refresh-)?[\w-]*\.\.\.", r"\1..."),
    (r"[ \t]+", " "),
)


@dataclass(frozen=True)
class Step:
    """A command, and the output that the page shows; `None` if it shows none."""

    command: str
    output: str | None


def steps(text: str) -> list[Step]:
    """The commands of a console block. Each begins with `$ `; lines that end in a backslash go on."""
    found: list[tuple[list[str], list[str]]] = []
    for line in text.splitlines():
        goes_on = bool(found) and not found[-1][1] and found[-1][0][-1].endswith("\\")
        if line.startswith("$ "):
            found.append(([line[2:]], []))
        elif goes_on:
            found[-1][0].append(line)
        else:
            found[-1][1].append(line)
    return [Step("\n".join(command), "\n".join(output)) for command, output in found]


def comparable(text: str) -> str:
    """The text with everything that differs from run to run replaced by a word for it."""
    for pattern, word in _VARYING:
        text = re.sub(pattern, word, text)
    return "\n".join(line.strip() for line in text.strip().splitlines())


def matches(expected: str, printed: str) -> bool:
    literal = [re.escape(part) for part in comparable(expected).split("...")]
    return re.fullmatch(".*?".join(literal), comparable(printed), re.DOTALL) is not None


def assert_matches(expected: str, printed: str, where: str) -> None:
    if not matches(expected, printed):
        raise AssertionError(f"{where} prints:\n{comparable(printed)}\n\nThe page shows:\n{comparable(expected)}")
