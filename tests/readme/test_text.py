"""What README.md says: every top-level file, and nothing of one machine; tests/readme/test_pages.py has the rest."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.readme.blocks import README, ROOT, blocks, prose

TEXT = README.read_text()
SECRETS = r"rt_[\w-]{20}|eyJ[\w-]{10}|PRIVATE KEY|(?=[\w-]*\d)(?=[\w-]*[A-Za-z])[\w-]{32,}"
MACHINES = r"(?<![\w.:}])/(?:home|root|Users|tmp|opt|var|usr|etc|mnt|srv|private)\b|\b192\.168\.|\b10\.\d+\.\d+\."


def tracked() -> list[str]:
    done = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    return done.stdout.splitlines()


def slug(heading: str) -> str:
    """The anchor that GitHub makes of a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_every_top_level_file_is_named() -> None:
    if not tracked():
        pytest.skip("this is no git repository")
    top = {name.split("/")[0] for name in tracked()}
    pages = TEXT + (ROOT / "CONTRIBUTING.md").read_text()
    words = re.findall(r"`([^`\n]+)`", pages) + re.findall(r"\]\(([^)]+)\)", pages)
    named = {word.split("/")[0] for word in words} | {"README.md"}
    assert sorted(name for name in top - named if not name.startswith((".git", ".pre-commit"))) == []


@pytest.mark.parametrize("block", blocks(TEXT), ids=lambda block: block.name)
def test_no_block_holds_a_secret_or_a_path_of_one_machine(block: Any) -> None:
    assert not re.search(SECRETS, block.text)
    assert not re.search(MACHINES, block.text)
    for here in (str(ROOT), str(Path.home())):
        assert here == "/" or here not in block.text


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        ("cat /home/ada/token", MACHINES),
        ("cd /tmp/demo", MACHINES),
        ("-d refresh_token=rt_AQCjbnvYPCZ8aLqTnvYPCZ8", SECRETS),
        ("Bearer eyJhbGciOiJSUzI1NiJ9", SECRETS),
        ("client_id=c_59398e882d57e7540b7cd31095617ca7", SECRETS),
    ],
)
def test_a_secret_and_a_path_of_one_machine_would_be_seen(text: str, pattern: str) -> None:
    assert re.search(pattern, text)


def test_no_code_hides_outside_of_the_blocks() -> None:
    """Indented code would be shown as a block and run by nobody."""
    assert re.findall(r"\n\n(?: {4}|\t).*", prose(TEXT)) == []
