"""The templates of the pages, in each language. An operator's folder can replace each of them."""

from collections.abc import Mapping
from gettext import translation
from pathlib import Path
from typing import Any

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

_HERE = Path(__file__).parent
BUILT_IN = "built-in"
"""Prefix with which an operator's template can extend or include the one that it replaces."""
LANGUAGES = {"en": "ltr", "de": "ltr"}
"""The direction of each language, the default first. English is what the templates themselves are written in."""
log: Any = structlog.get_logger("authserver")


class Templates:
    def __init__(self, shared: Mapping[str, object], folder: Path | None = None) -> None:
        """`shared` are values that every template gets. `folder` has the operator's own templates."""
        own = FileSystemLoader(_HERE / "templates")
        self._folder = folder
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
            if self._folder is None:
                raise
            log.error("template_failed", page=page, reason=_described(error))
        return self._built_in[language].get_template(f"{page}.html").render(values)

    def check(self, samples: Mapping[str, Mapping[str, object]]) -> None:
        """Render each page of `samples` with its values. Raises Misconfigured if an operator's template fails."""
        for page, values in samples.items():
            for environment in self._used.values():
                try:
                    environment.get_template(f"{page}.html").render(values)
                except Exception as error:
                    where = f"AUTHSERVER_PAGES_DIR={self._folder}: the page {page} cannot be rendered"
                    hint = "docs/how-to/pages.md lists what each page is given. To start without your templates, unset"
                    raise Misconfigured(f"{where}: {_described(error)}. {hint}:\nAUTHSERVER_PAGES_DIR") from error


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
    if isinstance(error, TemplateSyntaxError):
        return f"{error.name}, line {error.lineno}: {error.message}"
    return f"{type(error).__name__}: {error}" if isinstance(error, TemplateError) else type(error).__name__
