"""The templates of the pages, in each language. An operator's folder can replace each of them."""

from base64 import b64encode
from collections.abc import Mapping
from functools import partial
from gettext import translation
from pathlib import Path
from traceback import extract_tb
from typing import Any
from urllib.parse import urlsplit

import structlog
from jinja2 import (
    BaseLoader,
    ChoiceLoader,
    Environment,
    FileSystemLoader,
    PrefixLoader,
    StrictUndefined,
    TemplateError,
    TemplateSyntaxError,
)

from ...domain.errors import Misconfigured
from ...pipeline.replies import ClientShown
from .samples import SAMPLES

_HERE = Path(__file__).parent
STATIC = _HERE.parent / "static"
BUILT_IN = "built-in"
"""Prefix with which an operator's template can extend or include the one that it replaces."""
LANGUAGES = {"en": "ltr", "de": "ltr"}
"""The direction of each language, the default first. English is what the templates themselves are written in."""
log: Any = structlog.get_logger("authserver")


class Templates:
    def __init__(self, issuer: str, folder: Path | None = None) -> None:
        """`folder` has the operator's own templates; call `check` to find their mistakes."""
        self.folder = folder
        own = FileSystemLoader(_HERE / "templates")
        shared = _shared(issuer)
        self._built_in = {language: _environment(language, own, shared) for language in LANGUAGES}
        self._used = self._built_in
        if folder is not None:
            loader = ChoiceLoader([FileSystemLoader(folder), own, PrefixLoader({BUILT_IN: own})])
            self._used = {language: _environment(language, loader, shared) for language in LANGUAGES}

    def render(self, page: str, language: str, values: Mapping[str, object]) -> str:
        """Return the page as HTML. If an operator's template fails, the built-in one takes its place: nobody should be
        kept out of an application by a mistake in a page's looks."""
        try:
            return self._used[language].get_template(f"{page}.html").render(values)
        except Exception as error:
            if self.folder is None:
                raise
            log.error("template_failed", page=page, reason=_described(error))
        return self._built_in[language].get_template(f"{page}.html").render(values)

    def check(self) -> None:
        """Render each page with examples of its values. Raises Misconfigured if an operator's template fails."""
        for page, values in SAMPLES.items():
            for environment in self._used.values():
                try:
                    environment.get_template(f"{page}.html").render(values)
                except Exception as error:
                    where = f"AUTHSERVER_PAGES_DIR={self.folder}: the page {page} cannot be rendered"
                    hint = "docs/how-to/pages.md lists what each page is given. To start without your templates, unset"
                    raise Misconfigured(f"{where}: {_described(error)}. {hint}:\nAUTHSERVER_PAGES_DIR") from error


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
    """Return the URL of the client's logo if the policy lets a page load it: one that is on this server, or that is in
    the URL itself. Loading one from elsewhere would also tell others who signs in here, and when."""
    uri = client.logo_uri if client else ""
    return uri if uri.startswith(("data:image/", f"{issuer}/")) else ""


def _environment(language: str, loader: BaseLoader, shared: Mapping[str, object]) -> Environment:
    environment = Environment(
        loader=loader,
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        extensions=["jinja2.ext.i18n"],
    )
    environment.policies["ext.i18n.trimmed"] = True
    # English has no catalogue: its texts are the keys of the others.
    catalogue: Any = translation("pages", _HERE / "locale", [language], fallback=language == "en")
    environment.install_gettext_translations(catalogue, newstyle=True)  # type: ignore[attr-defined]
    environment.globals |= {**shared, "lang": language, "dir": LANGUAGES[language]}
    return environment


def _described(error: Exception) -> str:
    """Return what is wrong and in which line. The text of an error that is not Jinja's could contain anything."""
    if isinstance(error, TemplateSyntaxError):
        return f"{error.name}, line {error.lineno}: {error.message}"
    lines = [frame for frame in extract_tb(error.__traceback__) if frame.filename.endswith(".html")]
    where = f"{Path(lines[-1].filename).name}, line {lines[-1].lineno}: " if lines else ""
    return f"{where}{error}" if isinstance(error, TemplateError) else f"{where}{type(error).__name__}"
