"""The alert rules and the dashboard name metrics and label values that the server has."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from authserver.observability.metrics import COMPUTED, COUNTED, SAMPLED
from tests.harness.events import ROOT

FOLDER = ROOT / "scripts" / "deploy"
ALERTS = FOLDER / "alerts.yml"
METRICS = {metric.exposed_name: metric for metric in (*COUNTED, *SAMPLED, *COMPUTED)}
SELECTOR = re.compile(r"\b((?:authserver|process)_\w+)(?:\{([^}]*)\})?")
MATCHER = re.compile(r'(\w+)=(~?)"([^"]*)"')
OF_PROMETHEUS = {"job", "instance"}


def rules() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load(ALERTS.read_text())["groups"]
    found: list[dict[str, Any]] = group["rules"]
    return found


def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((FOLDER / "grafana-dashboard.json").read_text())["panels"]
    return found


def expressions() -> Iterator[str]:
    yield from (rule["expr"] for rule in rules())
    yield from (target["expr"] for panel in panels() for target in panel["targets"])


def metric_of(name: str) -> Any:
    return METRICS.get(name) or METRICS[re.sub(r"_(bucket|sum|count)$", "", name)]


@pytest.mark.parametrize("expression", [*expressions()])
def test_every_metric_and_every_label_value_exists(expression: str) -> None:
    selectors = SELECTOR.findall(expression)
    assert selectors or "up{" in expression
    for name, matchers in selectors:
        metric = metric_of(name)
        assert (metric.kind == "histogram") == (name not in METRICS), "a histogram has _bucket, _sum or _count"
        for label, is_pattern, value in MATCHER.findall(matchers):
            values = value.split("|") if is_pattern else [value]
            assert label in OF_PROMETHEUS or set(values) <= set(metric.labels[label]), (name, label, value)


def test_every_kind_of_metric_is_on_the_dashboard() -> None:
    used = {
        metric_of(name).name
        for panel in panels()
        for target in panel["targets"]
        for name, _ in SELECTOR.findall(target["expr"])
    }
    assert {metric.name for metric in COUNTED} <= used


def test_every_alert_says_how_bad_it_is_and_what_it_means() -> None:
    names = [rule["alert"] for rule in rules()]
    assert len(names) == len(set(names)) > 10
    for rule in rules():
        assert rule["labels"]["severity"] in ("critical", "warning") and rule["annotations"]["summary"].endswith(".")


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_promtool_accepts_the_rules() -> None:
    subprocess.run(["promtool", "check", "rules", str(ALERTS)], check=True)
