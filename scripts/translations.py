#!/usr/bin/env python3
"""Extract the texts of pages and mails from their templates, and compile the translations.

For each language in authserver/web/browser/locale/ and authserver/mail/locale/, new texts are added to pages.po or
mail.po, and texts that no template has any more are removed. Translate the new texts in that file, and run this again:
it compiles pages.mo and mail.mo, which the server reads.

With `--check`, it changes nothing. It names what is out of date or not translated, and exits with code 1 if there is
anything.
"""

import sys
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

from dotvenv import continue_in_venv

if __name__ == "__main__":
    continue_in_venv("babel")

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

ROOT = Path(__file__).resolve().parent.parent
HOMES = {"pages": ROOT / "authserver" / "web" / "browser", "mail": ROOT / "authserver" / "mail"}
"""The folders of the templates and of their translations, by the name of the translations' files."""
WIDTH = 116
NEVER = datetime(1970, 1, 1, tzinfo=UTC)
"""Replaces the dates in a header, so that the same texts always make the same file."""


def extracted(home: Path) -> Catalog:
    """Return the texts of all templates, without translations."""
    options = {"**": {"trimmed": "true", "silent": "false"}}
    texts = Catalog()
    for _, _, text, comments, _ in extract_from_dir(home / "templates", [("**", "jinja2")], options):
        texts.add(text, auto_comments=comments)
    return texts


def updated(po: Path, texts: Catalog) -> Catalog:
    """Return the translations in `po` of exactly these texts."""
    with po.open("rb") as file:
        catalogue = read_po(file, locale=po.parts[-3])
    catalogue.update(texts, no_fuzzy_matching=True)
    catalogue.obsolete.clear()
    catalogue.creation_date = catalogue.revision_date = NEVER
    return catalogue


def files_of(po: Path, catalogue: Catalog) -> dict[Path, bytes]:
    """Return the content of the .po and the .mo file."""
    source, compiled = BytesIO(), BytesIO()
    write_po(source, catalogue, width=WIDTH, no_location=True, omit_header=True)
    write_mo(compiled, catalogue)
    return {po: source.getvalue(), po.with_suffix(".mo"): compiled.getvalue()}


def untranslated(catalogue: Catalog) -> list[str]:
    """Return the texts that have no translation yet, or lack one of the singular and the plural."""
    messages = [message for message in catalogue if message.id]
    return [str(each.id) for each in messages if each.fuzzy or not each.string or not all(each.string)]


def problems_of(po: Path, texts: Catalog, check: bool) -> list[str]:
    """Return what is not translated. With `check`, return also which files are out of date; otherwise, write them."""
    catalogue = updated(po, texts)
    problems = [f"{po.relative_to(ROOT)}: not translated: {text}" for text in untranslated(catalogue)]
    for path, content in files_of(po, catalogue).items():
        if path.exists() and path.read_bytes() == content:
            continue
        if check:
            problems.append(f"{path.relative_to(ROOT)} is out of date. Run: python3 scripts/translations.py")
        else:
            path.write_bytes(content)
    return problems


def main(arguments: list[str]) -> int:
    problems = []
    for name, home in HOMES.items():
        texts = extracted(home)
        for po in sorted(home.glob(f"locale/*/LC_MESSAGES/{name}.po")):
            problems += problems_of(po, texts, "--check" in arguments)
    print(*problems, sep="\n", end="\n" if problems else "", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
