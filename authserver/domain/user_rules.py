"""The rules for users and passwords. Every command and endpoint that writes a user checks them first.

The rules for new passwords are those of NIST SP 800-63B-4 s3.1.1.2. They never apply to existing passwords.
"""

import re
from collections.abc import Container
from dataclasses import dataclass
from itertools import pairwise

_ID = re.compile(r"[\x21-\x7e]{1,64}")


class UserRefused(ValueError):
    """The user breaks a rule; the text says what is allowed."""


def new_id(random: bytes) -> str:
    """Return the id of a new user, which is the `sub` of its tokens."""
    return f"u_{random.hex()}"


def check_id(id: object) -> str:
    """Return the id that another server gave the user, the `sub` of their tokens. Raises UserRefused."""
    if not isinstance(id, str) or not _ID.fullmatch(id):
        raise UserRefused("The id is not valid. It needs 1 to 64 visible ASCII characters.")
    return id


def check_username(form: str | None) -> str:
    """Return `form`, which `passwords.username_form` returned. Raises UserRefused if it is None."""
    if form is None:
        raise UserRefused(
            "This username is not valid. It needs 1 to 256 letters, digits and marks without spaces or control "
            "characters (RFC 8265 s3.3)."
        )
    return form


def check_password(form: str | None) -> str:
    """Return `form`, which `passwords.password_form` returned. Raises UserRefused if it is None."""
    if form is None:
        raise UserRefused("This password is not valid. It needs 1 to 1024 bytes without control characters.")
    return form


@dataclass(frozen=True, slots=True)
class Weakness:
    """Why a new password is too easy to guess."""

    code: str
    """`short`, `common`, `run`, `name` or `same`: a page translates it."""
    text: str
    """For an operator."""


def weakness(form: str, *, username: str, min_length: int, common: Container[str]) -> Weakness | None:
    """Return why this new password, in its canonical form, is too easy to guess; None if it is not.

    `min_length` is in code points; `common` contains well-known passwords, case-folded.
    """
    folded, name = form.casefold(), username.casefold()
    # NIST SP 800-63B-4 s3.1.1.2: each Unicode code point SHALL be counted as a single character.
    if len(form) < min_length:
        text = f"The password is too short: it has {len(form)} characters, and the minimum is {min_length}."
        return Weakness("short", text)
    # s3.1.1.2: verifiers SHALL compare the prospective secret against a blocklist ... of commonly used passwords ...
    # context-specific words, such as the username.
    if folded in common:
        text = "The password is one of the most common ones, which attackers try first. Choose another."
        return Weakness("common", text)
    if _is_run(folded):
        text = "The password is one repeated character, or a run like abcdef or 654321. Choose another."
        return Weakness("run", text)
    if folded in (name, name.partition("@")[0]):
        return Weakness("name", "The password is the username. Choose another.")
    return None


def _is_run(text: str) -> bool:
    """Whether the text is like 00000000, abcdefgh or 87654321. These are common, but not in the list, whose source
    also finds them by a rule."""
    steps = {ord(after) - ord(before) for before, after in pairwise(text)}
    return steps in ({0}, {1}, {-1})
