"""The committed charts, and what scripts/bench/chart.py draws."""

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from scripts.bench.chart import CHARTS, Chart, svg

SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize("path", sorted(CHARTS.glob("*.json")), ids=lambda path: path.stem)
def test_each_chart_is_drawn_from_its_numbers(path: Path) -> None:
    assert path.with_suffix(".svg").read_text() == svg(Chart.load(path))


def test_there_is_a_chart_of_each_measurement_of_speed() -> None:
    assert {path.stem for path in CHARTS.glob("*.json")} == {"guard", "tokens"}


def test_each_chart_is_shown_on_a_page() -> None:
    pages = "".join(page.read_text() for page in CHARTS.parent.glob("*.md"))
    assert {path.name for path in CHARTS.glob("*.svg")} == set(re.findall(r"\]\(charts/([\w.]+)\)", pages))


def test_the_bars_are_as_long_as_their_numbers(tmp_path: Path) -> None:
    chart = Chart("A <title>", "a command", "seconds & more", {"one": 1.0, "four": 4.0}, ("one",))
    chart.save(tmp_path / "folder" / "chart.json")
    assert Chart.load(tmp_path / "folder" / "chart.json") == chart
    drawn = ElementTree.fromstring(svg(chart))
    one, four = drawn.iter(f"{SVG}rect")
    assert int(four.attrib["width"]) == pytest.approx(4 * int(one.attrib["width"]), abs=4)
    assert ("class" in one.attrib, "class" in four.attrib) == (False, True)
    texts = [element.text for element in drawn.iter(f"{SVG}text")]
    assert texts[:2] == ["A <title>", "seconds & more"]
    assert {"one", "1.00", "four", "4.00", "a command"} <= set(texts)
