"""The pages of docs/: each block prints what the page shows, each link leads somewhere, made pages are current."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from tests.harness.postgres import binaries
from tests.readme.blocks import ROOT, Block, blocks, prose
from tests.readme.journey import PAGES as JOURNEY
from tests.readme.pages import NOT_RUN, POSTGRESQL, SHOWN_ONLY, session
from tests.readme.test_text import SECRETS, slug
from tests.readme.transcript import matches

DOCS = ROOT / "docs"
PAGES = {str(file.relative_to(ROOT)): file.read_text() for file in sorted(DOCS.glob("**/*.md"))}
SIGN_IN = {f"docs/how-to/sign-in-{app}.md" for app in ("fastapi", "browser-app", "native-app", "device")}
ELSEWHERE = {"docs/reference/guard.md", *JOURNEY, *SIGN_IN}
"""Pages whose blocks other tests run: in tests/resource/test_guard_page.py, test_readme.py, test_sign_in_pages.py."""
TOP_LEVEL = {
    name: (ROOT / name).read_text() for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")
}
DIAGRAMS = ("flowchart", "sequenceDiagram", "stateDiagram-v2", "gantt", "timeline")
KINDS = SHOWN_ONLY | {"bash", "console", "python"}


def runs(block: Block) -> bool:
    return block.kind not in SHOWN_ONLY and not block.note.startswith(NOT_RUN)


RUN = {name: blocks(text) for name, text in PAGES.items() if name not in ELSEWHERE and any(map(runs, blocks(text)))}


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.parametrize("page", RUN)
def test_every_block_of_a_page_prints_what_the_page_shows(tmp_path: Path, page: str) -> None:
    if page == POSTGRESQL and binaries() is None:
        pytest.skip("PostgreSQL is not installed")
    with session(tmp_path.resolve(), page) as opened:
        opened.run(RUN[page])


BLOCKS = [(name, block) for name, text in PAGES.items() for block in blocks(text)]
EACH_BLOCK = pytest.mark.parametrize(("page", "block"), BLOCKS, ids=[f"{page}:{block.line}" for page, block in BLOCKS])


@EACH_BLOCK
def test_a_block_is_of_a_known_kind_and_holds_no_secret(page: str, block: Block) -> None:
    assert block.kind in KINDS
    assert not block.note or block.note.startswith(NOT_RUN)
    assert page == "docs/reference/command-line.md" or not re.search(SECRETS, block.text)  # the example ids of --help


@EACH_BLOCK
def test_a_block_can_be_read_by_what_it_is_for(page: str, block: Block) -> None:
    match block.kind:
        case "bash":
            text = re.sub(r"<[a-z-]+>", "placeholder", block.text)
            checked = subprocess.run(["bash", "-n"], input=text, text=True, capture_output=True)
            assert not checked.returncode, checked.stderr
        case "python":
            compile(block.text, page, "exec")
        case "yaml":
            assert yaml.safe_load(block.text)
        case "toml":
            assert tomllib.loads(block.text)
        case "mermaid":
            assert block.text.split()[0] in DIAGRAMS
        case _:
            pass


@pytest.mark.parametrize("page", PAGES | TOP_LEVEL)
def test_links_lead_somewhere(page: str) -> None:
    text = (PAGES | TOP_LEVEL)[page]
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(text)):
        if "://" not in target:
            path, _, anchor = target.partition("#")
            file = ((ROOT / page).parent / path).resolve() if path else ROOT / page
            assert file.exists(), target
            assert not anchor or anchor in headings(file), target


def headings(file: Path) -> set[str]:
    return {slug(line.lstrip("# ")) for line in prose(file.read_text()).splitlines() if line.startswith("#")}


MADE = {
    *(".env", "authserver.toml", "keys/", "keys", ".venv", "authserver.db"),
    *("conftest.py", "notes.py", "notes_app.py", "notes_cli.py", "notes_tv.py", "service.py"),
}
"""Files that pages name and that are made at run time, here or by the reader."""
FORGES = (".github/", ".gitlab/", ".forgejo/", ".gitea/")


@pytest.mark.parametrize("page", [name for name in (*PAGES, "README.md") if "/decisions/" not in name])
def test_every_file_that_is_named_exists(page: str) -> None:
    """Names with a slash at the end or a known end."""
    words = re.findall(r"`([^`\n]+)`", prose((PAGES | TOP_LEVEL)[page]))
    names = {word.split()[-1] if word.startswith("python3 ") else word for word in words}
    files = {name for name in names if re.fullmatch(r"[\w.][\w./-]*(/|\.(py|md|lock|toml|yaml|conf))", name)} - MADE
    assert sorted(name for name in files if not name.startswith(FORGES) and not exists(name)) == []


def exists(name: str) -> bool:
    return (ROOT / name).exists() or (ROOT / "scripts" / "bench" / name).exists()


def test_the_index_names_every_page() -> None:
    index = PAGES["docs/README.md"]
    linked = {page for page in PAGES if f"]({page.removeprefix('docs/')})" in index}
    folders = ("docs/decisions/", "docs/templates/")  # whose own README.md is the index
    assert [page for page in PAGES.keys() - linked if not page.startswith(folders)] == ["docs/README.md"]


def test_the_pages_that_are_made_from_the_code_are_current() -> None:
    command = [sys.executable, str(ROOT / "scripts" / "reference.py"), "--check"]
    checked = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert not checked.returncode, checked.stderr


@pytest.mark.parametrize(
    ("expected", "printed", "same"),
    [
        ("Created ada (u_30...).", "Created ada (u_d08829faee47e00cc16738c94f04d1cf).", True),
        ("a  b\n1  2", "a     b\n1     2", True),
        ("ended at 2026-11-28T19:12:20Z", "ended at 2027-01-01T00:00:00Z", True),
        ('{"access_token": "eyJ...", "scope": "read"}', '{"access_token": "eyJhbGciOi.eyJ.x", "scope": "read"}', True),
        ("first\n...\nlast", "first\nsecond\nthird\nlast", True),
        ("Created ada (c_30...).", "Created ada (u_d08829faee47e00cc16738c94f04d1cf).", False),
        ('{"scope": "read"}', '{"scope": "read write"}', False),
        ("first", "first\nsecond", False),
    ],
)
def test_what_is_the_same_and_what_is_not(expected: str, printed: str, same: bool) -> None:
    assert matches(expected, printed) is same
