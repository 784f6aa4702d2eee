"""Draws the charts in docs/explanation/charts: each .json that a measurement wrote with --chart becomes an .svg.

.venv/bin/python scripts/bench/speed/tokens.py --chart docs/explanation/charts/tokens.json
.venv/bin/python scripts/bench/chart.py
"""

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from html import escape
from pathlib import Path

CHARTS = Path(__file__).resolve().parents[2] / "docs" / "explanation" / "charts"
_WIDTH, _LABELS, _ROW, _TOP = 720, 190, 34, 58  # pixels; labels that are longer take what they need
_LETTER = 7.2  # pixels
_STYLE = """text { font: 14px system-ui, sans-serif; fill: #1f2328 }
.title { font-weight: 600; font-size: 16px } .small { font-size: 12px } rect { fill: #0969da } .other { fill: #8c959f }
@media (prefers-color-scheme: dark) { text { fill: #e6edf3 } rect { fill: #4493f8 } .other { fill: #6e7681 } }"""


@dataclass(frozen=True)
class Chart:
    """A chart with horizontal bars. `ours` has the labels of the bars that show this project."""

    title: str
    command: str
    unit: str
    bars: dict[str, float]
    ours: tuple[str, ...]

    def save(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(self), indent=2) + "\n")

    @classmethod
    def load(cls, path: Path) -> "Chart":
        members = json.loads(path.read_text())
        return cls(**{**members, "ours": tuple(members["ours"])})


def svg(chart: Chart) -> str:
    height = _TOP + _ROW * len(chart.bars) + 28
    described = ", ".join(f"{label}: {_shown(value)}" for label, value in chart.bars.items())
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img">',
        f"<title>{escape(chart.title)}</title>",
        f"<desc>{escape(f'{described} ({chart.unit})')}</desc>",
        f"<style>{_STYLE}</style>",
        f'<text class="title" x="0" y="18">{escape(chart.title)}</text>',
        f'<text class="small" x="0" y="38">{escape(chart.unit)}</text>',
        *_bars(chart),
        f'<text class="small" x="0" y="{height - 6}">{escape(chart.command)}</text>',
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _bars(chart: Chart) -> Iterator[str]:
    longest, labels = max(chart.bars.values()), max(_LABELS, *(round(_LETTER * len(label)) for label in chart.bars))
    for number, (label, value) in enumerate(chart.bars.items()):
        y, length = _TOP + number * _ROW, round(value / longest * (_WIDTH - labels - 80))
        kind = "" if label in chart.ours else ' class="other"'
        yield f'<text x="0" y="{y + 17}">{escape(label)}</text>'
        yield f'<rect{kind} x="{labels}" y="{y}" width="{length}" height="24" rx="3"/>'
        yield f'<text x="{labels + length + 8}" y="{y + 17}">{_shown(value)}</text>'


def _shown(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.2f}"


def main() -> int:
    for path in sorted(CHARTS.glob("*.json")):
        drawn = path.with_suffix(".svg")
        drawn.write_text(svg(Chart.load(path)))
        print(drawn)
    return 0


if __name__ == "__main__":
    sys.exit(main())
