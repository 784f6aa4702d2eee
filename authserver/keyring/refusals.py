"""What an operator is refused, and why."""

import re

from ..domain.algorithms import DEFAULT
from ..domain.errors import Refused
from ..domain.key_schedule import Keys, algorithms_in_use
from ..domain.models import SigningKey

NOTHING_PENDING = "There is no pending key. Announce one with:\n\n    authserver keys rotate --due"
_NOBODY_USES_IT = (
    "No key is announced for {alg}, since no client uses it. Give it to one:\n\n"
    "    authserver client set-alg CLIENT_ID {alg}"
)


_KID = re.compile(r"[\x21-\x7e]{1,255}")


class TooEarly(Refused):
    """The pending key has not been published for the lead time: verifiers may not have it before `possible_at`."""

    def __init__(self, pending: SigningKey, possible_at: int) -> None:
        super().__init__(f"The pending key {pending.kid} cannot be promoted yet.")
        self.pending, self.possible_at = pending, possible_at


def check_in_use(keys: Keys, alg: str) -> None:
    """Raises Refused: an algorithm that no client uses has no keys."""
    if alg != DEFAULT and alg not in algorithms_in_use(keys):
        raise Refused(_NOBODY_USES_IT.format(alg=alg))


def check_new(keys: Keys, key: SigningKey) -> None:
    """Raises Refused: neither a `kid` nor a key is ever used again (a removed key's tokens would be good again)."""
    if not _KID.fullmatch(key.kid):
        raise Refused("A kid has 1 to 255 visible ASCII characters. Choose another with --kid.")
    for known in keys:
        if known.kid == key.kid or _material(known) == _material(key):
            raise Refused(
                f"The key {known.kid} was used here before (its state: {known.state}), and no key is used twice."
            )


def _material(key: SigningKey) -> dict[str, str]:
    return {name: value for name, value in key.public.items() if name not in ("kid", "alg", "use")}
