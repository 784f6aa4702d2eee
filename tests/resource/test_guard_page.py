"""docs/reference/guard.md: its blocks are run as they stand, and it names what there is."""

import inspect
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from django.test import RequestFactory
from starlette.testclient import TestClient
from werkzeug.test import Client

import tests.resource.apps  # noqa: F401 - Django's settings
from authserver.resource import Guard, TrustedIssuer
from authserver.resource.requirement import Needs
from authserver.testing import running_issuer
from tests.readme.blocks import ROOT, blocks, prose, tables

PAGE = (Path(ROOT) / "docs" / "reference" / "guard.md").read_text()
PYTHON = {block.heading: block for block in blocks(PAGE) if block.kind == "python"}
SERVED = {
    "FastAPI": lambda names: TestClient(names["app"]).get("/notes"),
    "Starlette": lambda names: TestClient(names["app"]).get("/notes"),
    "Flask": lambda names: Client(names["app"]).get("/notes"),
    "Django": lambda names: names["notes"](RequestFactory().get("/notes")),
    "Django REST framework": lambda names: names["Notes"].as_view()(RequestFactory().get("/notes")).render(),
    "WSGI, ASGI and everything else": lambda names: Client(names["app"]).get("/notes"),
}


def run(heading: str) -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": "notes"}
    exec(compile(PYTHON[heading].text, f"guard.md, {heading}", "exec"), names)
    return names


@pytest.mark.parametrize("heading", sorted(PYTHON.keys() - {"Real tokens in your tests"}))
def test_every_block_runs(heading: str) -> None:
    guards = [value for value in run(heading).values() if isinstance(value, Guard)]
    assert guards


@pytest.mark.parametrize("heading", SERVED)
def test_the_api_of_each_framework_answers(heading: str) -> None:
    names = run(heading)
    with names["guard"].fake(sub="ada", scope="read"):
        response = SERVED[heading](names)  # type: ignore[no-untyped-call]
        assert response.status_code == 200 and b"ada" in body(response)
    with names["guard"].fake(sub="ada", scope="write"):
        assert SERVED[heading](names).status_code == 403  # type: ignore[no-untyped-call]
    assert SERVED[heading](names).status_code == 401  # type: ignore[no-untyped-call]


def body(response: Any) -> bytes:
    data = response.data if hasattr(response, "data") and isinstance(response.data, bytes) else response.content
    return bytes(data)


def test_the_example_of_a_test_passes() -> None:
    run("In your tests")["test_notes"]()


def test_the_example_with_real_tokens_passes() -> None:
    with running_issuer() as issuer:
        run("Real tokens in your tests")["test_real_tokens"](issuer)


def test_every_argument_is_in_its_table_with_its_default() -> None:
    [rows] = [table for table in tables(PAGE) if table[0][0] == "`issuer`"]
    parameters = [each for name, each in inspect.signature(Guard.__init__).parameters.items() if name != "self"]
    assert [row[0].strip("`") for row in rows] == [each.name for each in parameters]
    for row, parameter in zip(rows, parameters, strict=True):
        if isinstance(parameter.default, str | tuple | bool | int) and row[1].startswith("`"):
            assert row[1].strip("`").replace('"', "'") == repr(parameter.default)


def test_every_need_every_adapter_and_every_argument_of_an_issuer_is_named() -> None:
    words = set(re.findall(r"\w+", PAGE))
    adapters = {name for name in vars(Guard) if not name.startswith("_")}
    assert (Needs.__annotations__.keys() | adapters) - {"issuers", "audience"} <= words
    several = re.search(r"`TrustedIssuer` takes (.*?);", prose(PAGE), re.DOTALL)
    assert several
    assert re.findall(r"`(\w+)`", several[1]) == [each.name for each in fields(TrustedIssuer)][1:]


def test_its_links_lead_somewhere_and_the_readme_leads_to_it() -> None:
    headings = {
        re.sub(r"[^\w\- ]", "", block.lower()).replace(" ", "-") for block in re.findall(r"^#+ (.*)", PAGE, re.M)
    }
    anchors = re.findall(r"\]\(#([^)]+)\)", PAGE)
    assert anchors and set(anchors) <= headings
    assert "(docs/reference/guard.md)" in (Path(ROOT) / "README.md").read_text()
