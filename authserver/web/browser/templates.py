"""The templates of the pages."""

from base64 import b64encode
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from ...domain import logo
from ...pipeline.replies import ClientShown
from ...templates import TemplateSet
from .samples import SAMPLES

_HERE = Path(__file__).parent
STATIC = _HERE.parent / "static"


class Templates:
    def __init__(self, issuer: str, folder: Path | None = None) -> None:
        """`folder` has the operator's own templates; call `check` to find their mistakes."""
        self.folder, self._templates = folder, TemplateSet(_HERE, "pages", _shared(issuer), folder)

    def render(self, page: str, language: str, values: Mapping[str, object]) -> str:
        """Return the page as HTML."""
        return self._templates.render(f"{page}.html", language, values)

    def check(self) -> None:
        """Render each page with examples of its values. Raises Misconfigured if an operator's template fails."""
        samples = {f"{page}.html": values for page, values in SAMPLES.items()}
        self._templates.check(samples, "docs/how-to/pages.md")


def _shared(issuer: str) -> dict[str, object]:
    """Return the values that every template gets."""
    icon = b64encode((STATIC / "icon.svg").read_bytes()).decode()
    return {
        "issuer": issuer,
        "host": urlsplit(issuer).netloc,
        "icon": f"data:image/svg+xml;base64,{icon}",
        "client": None,
        "logo_of": partial(_logo_of, issuer),
    }


def _logo_of(issuer: str, client: ClientShown | None) -> str:
    """Return the URL of the client's logo; "" if a page may not load it."""
    uri = client.logo_uri if client else ""
    return uri if logo.is_shown(uri, issuer) else ""
