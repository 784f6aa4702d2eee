"""The lists of label values are those of the code: a new step, endpoint, event or reason must be added to them."""

import ast
import inspect
import textwrap

import pytest

from authserver.domain.end_reason import REVOKED
from authserver.observability import exposition
from authserver.observability.metrics import COMPUTED, COUNTED, ENDPOINTS, EVENTS, KEY_CHANGES, OTHER, SAMPLED
from authserver.observability.reasons import REASONS, reason_code
from authserver.pipeline.observed import STEPS
from authserver.pipeline.pipeline import Pipeline
from tests.contract.document import document
from tests.harness.events import ROOT, reasons


def test_every_step_of_the_pipeline_is_observed() -> None:
    source = ast.parse(textwrap.dedent(inspect.getsource(Pipeline._attempt)))
    awaited = [
        node.value.func.attr
        for node in ast.walk(source)
        if isinstance(node, ast.Await) and isinstance(node.value, ast.Call)
        if isinstance(node.value.func, ast.Attribute)
    ]
    assert tuple(name.removeprefix("_") for name in awaited) == STEPS


def test_every_path_of_the_description_is_an_endpoint() -> None:
    paths = {path.removesuffix("/{file}") for path in document()["paths"]}
    assert paths == set(ENDPOINTS) - {OTHER}


def test_every_event_of_a_request_is_counted_by_its_name() -> None:
    sources = [path.read_text() for path in (ROOT / "authserver").rglob("*.py")]
    events = {
        str(node.args[0].value)
        for source in sources
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Event"
        if node.args and isinstance(node.args[0], ast.Constant)
    }
    assert events == set(EVENTS) - {OTHER}


@pytest.mark.parametrize("reason", [*reasons(), *REVOKED.values()])
def test_every_reason_has_a_code_of_its_own(reason: str) -> None:
    assert reason_code("invalid_grant", f"{reason} 2026-11-29T00:00:00Z") not in ("invalid_grant", OTHER)


@pytest.mark.parametrize(
    ("error", "reason", "code"),
    [
        ("invalid_grant", "idle for 7 days, ended at 2026-11-29T00:00:00Z", "idle_for"),
        ("invalid_grant", "reuse of generation 3; 5 is newest", "reuse_of_generation"),
        ("invalid_grant", "ended by an operator with all others of the user at", "ended_by_an_operator"),
        ("invalid_request", "A parameter is repeated.", "invalid_request"),
        ("surprise", "Something else.", "other"),
    ],
)
def test_a_reason_becomes_a_code(error: str, reason: str, code: str) -> None:
    assert reason_code(error, reason) == code and code in REASONS


def test_every_change_of_a_key_is_a_value_of_its_label() -> None:
    assert set(exposition._CHANGES.values()) == set(KEY_CHANGES.labels["change"])


def test_names_are_unique_and_have_their_unit() -> None:
    names = [metric.name for metric in (*COUNTED, *SAMPLED, *COMPUTED)]
    assert len(names) == len(set(names))
    assert not [name for name in names if name.endswith("_total")]


def test_the_bounds_of_every_histogram_rise() -> None:
    for metric in COUNTED:
        assert list(metric.buckets) == sorted(set(metric.buckets))
