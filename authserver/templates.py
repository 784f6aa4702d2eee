"""Jinja templates in each language. An operator's folder can replace any of them.

Jinja is imported, and the translations are read, when the first text is rendered: a server whose pages nobody opens
takes 2 MB less without them, and every server starts 30 ms earlier.
"""

from collections.abc import Mapping
from functools import cached_property
from gettext import translation
from pathlib import Path
from traceback import extract_tb
from typing import TYPE_CHECKING, Any

import structlog

from .domain.errors import Misconfigured
from .domain.languages import LANGUAGES

if TYPE_CHECKING:
    from jinja2 import BaseLoader, Environment

BUILT_IN = "built-in"
"""Prefix with which an operator's template can extend or include the one that it replaces."""
Values = Mapping[str, object]
log: Any = structlog.get_logger("authserver")


class TemplateSet:
    """The templates in `home`/templates, with their translations in `home`/locale."""

    def __init__(self, home: Path, catalogue: str, shared: Values, folder: Path | None, below: str = "") -> None:
        """`catalogue` is the name of the files with translations, and `shared` contains the values that every template
        gets. The operator's templates are in `folder`, or `below` it; call `check` to find their mistakes."""
        self._home, self._catalogue, self._shared = home, catalogue, shared
        self._folder, self._below = folder, below

    def render(self, name: str, language: str, values: Values) -> str:
        """Return the text. If an operator's template fails, the built-in one takes its place: a mistake in a page's
        design must not keep anyone out of an application."""
        try:
            return self._used[language].get_template(name).render(values)
        except Exception as error:
            if self._folder is None:
                raise
            log.error("template_failed", page=self._shown(name), reason=_described(error))
        return self._built_in[language].get_template(name).render(values)

    def check(self, samples: Mapping[str, Values], documentation: str) -> None:
        """Render each template with examples of its values, by its name. Raises Misconfigured if an operator's template
        fails; the error names the page of the documentation that lists the values."""
        for name, values in samples.items():
            for environment in self._used.values():
                try:
                    environment.get_template(name).render(values)
                except Exception as error:
                    where = f"AUTHSERVER_PAGES_DIR={self._folder}: {self._shown(name)} cannot be rendered"
                    hint = f"{documentation} lists what it is given. To start without your templates, unset"
                    raise Misconfigured(f"{where}: {_described(error)}. {hint}:\nAUTHSERVER_PAGES_DIR") from error

    @cached_property
    def _built_in(self) -> "Mapping[str, Environment]":
        from jinja2 import FileSystemLoader

        return self._environments(FileSystemLoader(self._home / "templates"))

    @cached_property
    def _used(self) -> "Mapping[str, Environment]":
        if self._folder is None:
            return self._built_in
        from jinja2 import ChoiceLoader, FileSystemLoader, PrefixLoader

        own = FileSystemLoader(self._home / "templates")
        loaders = [FileSystemLoader(self._folder / self._below), own, PrefixLoader({BUILT_IN: own})]
        return self._environments(ChoiceLoader(loaders))

    def _environments(self, loader: "BaseLoader") -> "Mapping[str, Environment]":
        home, catalogue, shared = self._home, self._catalogue, self._shared
        return {language: _environment(language, loader, home, catalogue, shared) for language in LANGUAGES}

    def _shown(self, name: str) -> str:
        return str(Path(self._below) / Path(name).stem)


def _environment(language: str, loader: "BaseLoader", home: Path, catalogue: str, shared: Values) -> "Environment":
    from jinja2 import Environment, StrictUndefined, select_autoescape

    environment = Environment(
        loader=loader,
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        extensions=["jinja2.ext.i18n"],
    )
    environment.policies["ext.i18n.trimmed"] = True
    # English has no catalogue: its texts are the keys of the others.
    texts: Any = translation(catalogue, home / "locale", [language], fallback=language == "en")
    environment.install_gettext_translations(texts, newstyle=True)  # type: ignore[attr-defined]
    environment.globals |= {**shared, "lang": language, "dir": LANGUAGES[language]}
    return environment


def _described(error: Exception) -> str:
    """Return what is wrong and in which line. The text of an error that is not Jinja's could contain anything."""
    from jinja2 import TemplateError, TemplateSyntaxError

    if isinstance(error, TemplateSyntaxError):
        return f"{error.name}, line {error.lineno}: {error.message}"
    lines = [frame for frame in extract_tb(error.__traceback__) if frame.filename.endswith((".html", ".txt"))]
    where = f"{Path(lines[-1].filename).name}, line {lines[-1].lineno}: " if lines else ""
    return f"{where}{error}" if isinstance(error, TemplateError) else f"{where}{type(error).__name__}"
