"""The texts of emails. The first line of a template is the subject, and the rest is the text."""

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from ..templates import TemplateSet
from .composing import Text
from .samples import SAMPLES

_HERE = Path(__file__).parent
BELOW = "mail"
"""The subfolder for emails in an operator's folder of templates."""


class MailTemplates:
    def __init__(self, issuer: str, folder: Path | None = None) -> None:
        """`folder` has the operator's own templates; call `check` to find their mistakes."""
        shared = {"issuer": issuer, "host": urlsplit(issuer).netloc, "link": ""}
        self._templates = TemplateSet(_HERE, "mail", shared, folder, BELOW)

    def render(self, template: str, language: str, values: Mapping[str, object]) -> Text:
        subject, _, text = self._templates.render(f"{template}.txt", language, values).partition("\n")
        paragraphs = [paragraph.split("\n") for paragraph in text.strip("\n").split("\n\n")]
        values_of_layout = {"subject": subject, "paragraphs": paragraphs, "link": values.get("link", "")}
        html = self._templates.render("layout.html", language, values_of_layout)
        return Text(subject, f"{text.strip()}\n", html, language)

    def check(self) -> None:
        """Render each email with examples of its values. Raises Misconfigured if an operator's template fails."""
        samples = {f"{template}.txt": values for template, values in SAMPLES.items()}
        layout = {"subject": "", "paragraphs": [[""]]}
        self._templates.check(samples | {"layout.html": layout}, "docs/how-to/mail.md")
