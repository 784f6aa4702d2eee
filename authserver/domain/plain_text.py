"""Checks text that is shown to people on one line with other text."""

import re

# Control characters (Cc), line and paragraph separators (Zl, Zp) and lone surrogates (Cs) are not text. Characters that
# change the direction of the text around them (Unicode TR 36 s2.5) can make one name look like another, or change how
# the rest of the line reads. Private-use characters (Co) look different on each system. Other invisible characters (Cf)
# are allowed: names in Persian and in the languages of India need some of them, and so do emoji.
_OUT_OF_PLACE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ue000-\uf8ff\U000f0000-\U0010ffff]"
)


def is_plain(text: str) -> bool:
    """Whether the text is one line without such characters."""
    return _OUT_OF_PLACE.search(text) is None
