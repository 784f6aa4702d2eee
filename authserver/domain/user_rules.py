"""What a user may be. Commands, the tests' issuer and later the registration pages ask here before they write.

The rules for new passwords are those of NIST SP 800-63B-4 s3.1.1.2. They never apply to a password that is in use.
"""

from collections.abc import Container
from itertools import pairwise


class UserRefused(ValueError):
    """No user can be like this; the text says what is allowed."""


def new_id(random: bytes) -> str:
    """The id of a new user, which is the `sub` of its tokens."""
    return f"u_{random.hex()}"


def check_username(form: str | None) -> str:
    """`form` is what `passwords.username_form` returned. Raises UserRefused."""
    if form is None:
        raise UserRefused(
            "This username cannot be used: 1 to 256 letters, digits and marks without spaces or control characters "
            "(RFC 8265 s3.3)."
        )
    return form


def check_password(form: str | None) -> str:
    """`form` is what `passwords.password_form` returned. Raises UserRefused."""
    if form is None:
        raise UserRefused("This password cannot be used: 1 to 1024 bytes without control characters are allowed.")
    return form


def weakness(form: str, *, username: str, min_length: int, common: Container[str]) -> str | None:
    """Why this new password, in its canonical form, is too easy to guess; None if it is not.

    `min_length` in code points; `common` contains well-known passwords, case-folded.
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
    """00000000, abcdefgh, 87654321: common too, but absent from the list, whose source also finds them by a rule."""
    steps = {ord(after) - ord(before) for before, after in pairwise(text)}
    return steps in ({0}, {1}, {-1})
