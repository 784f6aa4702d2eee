"""authserver keys rotate."""

from dataclasses import dataclass
from typing import Any

import click

from ... import system
from ...domain.errors import Refused
from ...domain.key_schedule import KeyPolicy, Keys, Transition, in_state, promotable_at, transitions
from ...domain.key_timeline import promoted_on_paper
from ...domain.models import SECOND
from ...keyring.lifecycle import Lifecycle, TooEarly
from ..common import as_json, moment, show
from .shared import as_data, in_words, opened, short, span

_ALG = "RS256"
_DONE = {
    "announce": "Announced a new key.",
    "promote": "{kid} signs from now on.",
    "destroy": "Destroyed the private part of {kid}.",
    "remove": "Removed {kid} from the key set: its last token has expired.",
}


@dataclass(frozen=True, slots=True)
class _Wish:
    due: bool
    emergency: bool


@click.command("rotate")
@click.option("--due", is_flag=True, help="Do only what the schedule says is due; it may be nothing.")
@click.option("--emergency", is_flag=True, help="Promote although verifiers may not have fetched the key yet.")
@click.option("--dry-run", is_flag=True, help="Change nothing; show what would be done, and what happens when.")
@as_json
def rotate(due: bool, emergency: bool, dry_run: bool, as_json: bool) -> None:
    """Promote the announced key: it signs from now on, and the next one is announced.

    The key that signed until now stays published for as long as its tokens live. Running servers follow within 5
    seconds. It is refused (exit code 3) until the announced key has been published for the lead time. Servers do what is
    due by themselves, so that none of this is needed for routine.

    \b
    Examples:
      authserver keys rotate
      authserver keys rotate --dry-run
    """
    if due and emergency:
        raise click.UsageError("--due does only what is due; it cannot be an --emergency too.")
    with opened() as lifecycle:
        (_rehearse if dry_run else _run)(lifecycle, _Wish(due, emergency), as_json)


def _run(lifecycle: Lifecycle, wish: _Wish, as_json: bool) -> None:
    before = lifecycle.read()
    try:
        done = lifecycle.run_due() if wish.due else _promote(lifecycle, wish, before)
    except TooEarly as error:
        if as_json:
            show({"changes": [], "promotable_at": moment(error.possible_at)}, as_json, str)
        raise Refused(_why_too_early(error, lifecycle.now())) from None
    _tell(done)
    _show(lifecycle.read(), lifecycle.policy, done, as_json)
    

def _promote(lifecycle: Lifecycle, wish: _Wish, before: Keys) -> list[Transition]:
    ...
