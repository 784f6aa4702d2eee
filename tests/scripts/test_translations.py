"""The pages are translated, and their translations compiled."""

import re
import subprocess
import sys
from pathlib import Path

from babel.messages.pofile import read_po

ROOT = Path(__file__).resolve().parents[2]


def test_every_text_is_translated_and_compiled() -> None:
    command = [sys.executable, str(ROOT / "scripts" / "translations.py"), "--check"]
    checked = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert not checked.returncode, checked.stderr


def test_in_german_a_sentence_after_a_colon_begins_with_a_capital_letter() -> None:
    """Spelling rule D 93. Where only words follow, no text of ours has a colon."""
    catalogues = [*ROOT.glob("authserver/*/locale/de/*/*.po"), *ROOT.glob("authserver/*/*/locale/de/*/*.po")]
    texts = list[str]()
    for path in catalogues:
        with path.open("rb") as file:
            for message in filter(lambda each: each.id, read_po(file, locale="de")):  # not the header
                texts += [message.string] if isinstance(message.string, str) else message.string or ()
    assert len(catalogues) == 2 and any(re.search(": [A-Z]", text) for text in texts)
    assert [text for text in texts if re.search(": (?!https://)[a-z\u00e4\u00f6\u00fc]", text)] == []
