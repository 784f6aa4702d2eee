"""Text that is shown to people beside other text: without characters that have no place in a line of it."""

import re

# Control characters (Cc), separators of lines and paragraphs (Zl, Zp) and half surrogates (Cs) are no text. What
# changes the direction of the text around it (Unicode TR 36 s2.5) lets a name look like another, or changes how the
# rest of a line reads. What is for private use (Co) looks different wherever it is shown. The other invisible
# characters (Cf) stay: names in Persian and in the languages of India need some of them, and so do emoji.
_OUT_OF_PLACE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ue000-\uf8ff\U000f0000-\U0010ffff]"
)


def is_plain(text: str) -> bool:
    """Whether the text is one line without such characters."""
    return _OUT_OF_PLACE.search(text) is None
