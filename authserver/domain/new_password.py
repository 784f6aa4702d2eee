"""What a new password must be (NIST SP 800-63B-4 s3.1.1.2); a password that is in use stays valid when this changes."""

from collections.abc import Container
from itertools import pairwise


def why_refused(form: str, *, username: str, min_length: int, common: Container[str]) -> str | None:
    """Why the user may not take this password, in its one form; None if it is good.

    `min_length` in code points; `common` holds well-known passwords, case-folded.
    """
    # NIST SP 800-63B-4 s3.1.1.2: each Unicode code point SHALL be counted as a single character.
    if len(form) < min_length:
        return f"The password is too short: it has {len(form)} characters, and {min_length} are the minimum."
    # s3.1.1.2: verifiers SHALL compare the prospective secret against a blocklist ... of commonly used passwords.
    if form.casefold() in common:
        return "The password is one of the most common ones, which attackers try first. Choose another."
    if _is_run(form.casefold()):
        return "The password is one character repeated, or characters in a row. Choose another."
    if form.casefold() == username.casefold():
        return "The password is the username. Choose another."
    return None


def _is_run(text: str) -> bool:
    """00000000, abcdefgh, 87654321: common too, but not in the list, whose source finds them by such a rule itself."""
    steps = {ord(after) - ord(before) for before, after in pairwise(text)}
    return steps in ({0}, {1}, {-1})
