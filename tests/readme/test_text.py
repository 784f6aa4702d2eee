"""What README.md says besides its blocks: files, links, settings and commands, and nothing of one machine."""

import re
import shutil
import subprocess
from pathlib import Path

import click
import pytest

from authserver.cli import main
from authserver.settings import Settings
from tests.readme.blocks import README, ROOT, blocks, prose, tables

TEXT = README.read_text()
WORDS = re.findall(r"`([^`\n]+)`", prose(TEXT))
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
    named = {word.split("/")[0] for word in WORDS} | {"README.md"}
    assert sorted(name for name in top - named if not name.startswith((".git", ".pre-commit"))) == []


def test_every_file_that_is_named_exists() -> None:
    """Names with a slash or a known end; what is made at run time is not in the tree."""
    made = {".env", "authserver.toml", "keys/", ".venv", "starlette_app.py", "fastapi_app.py"}
    names = {word.split()[-1] if word.startswith("python3 ") else word for word in WORDS}
    files = {name for name in names if re.fullmatch(r"[\w.][\w./-]*(/|\.(py|md|lock|toml|yaml))", name)} - made
    assert len(files) > 10
    assert sorted(name for name in files if not exists(name)) == []


def exists(name: str) -> bool:
    return (ROOT / name).exists()


def test_links_lead_somewhere() -> None:
    headings = {slug(line.lstrip("# ")) for line in prose(TEXT).splitlines() if line.startswith("#")}
    targets = re.findall(r"\]\(([^)\s]+)\)", prose(TEXT))
    assert targets
    for target in targets:
        path, _, anchor = target.partition("#")
        assert "://" in path or (ROOT / path).exists(), target
        assert path or anchor in headings, target


@pytest.mark.parametrize("block", blocks(TEXT), ids=lambda block: block.name)
def test_no_block_holds_a_secret_or_a_path_of_one_machine(block) -> None:
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


def test_the_table_of_settings_is_complete_and_true() -> None:
    [rows] = [table for table in tables(TEXT) if table[0][0] == "`AUTHSERVER_ISSUER`"]
    told = [(row["variable"], row["default"], row["help"]) for row in Settings().describe()]
    expected = [[f"`{name}`", "" if default is None else f"`{default}`", text] for name, default, text in told]
    assert rows == expected


def commands(group: click.Group, path: tuple[str, ...]) -> list[str]:
    context, found = click.Context(group), []
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        below = commands(command, (*path, name)) if isinstance(command, click.Group) else [" ".join((*path, name))]
        found += below
    return found


def listed(cell: str) -> list[str]:
    """`a b c`, `d`, `b e`: the first is whole, the others stand for its noun and another verb, or for both."""
    noun, names = "", []
    for word in re.findall(r"`([^`]+)`", cell):
        words = word.removeprefix("authserver ").split()
        noun = words[0] if word.startswith("authserver ") else noun
        names.append(" ".join(words if len(words) == 2 or word.startswith("authserver ") else [noun, *words]))
    return names


def test_the_table_of_commands_is_complete() -> None:
    [rows] = [table for table in tables(TEXT) if table[0][0] == "`authserver init`"]
    told = [name for row in rows if row[0].startswith("`authserver") for name in listed(row[0])]
    assert sorted(told) == sorted(commands(main, ()))
    scripts = {path.name for path in (ROOT / "scripts").glob("*.py")} - {"dotvenv.py"}
    assert scripts == set(re.findall(r"scripts/(\w+\.py)", " ".join(row[0] for row in rows)))
