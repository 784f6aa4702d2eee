"""authserver keys rotate."""

from dataclasses import dataclass

import click

from ...domain.algorithms import DEFAULT
from ...domain.errors import Refused
from ...domain.key_schedule import Keys, Transition, in_state, promotable_at
from ...domain.key_timeline import apply_due, apply_step
from ...domain.times import span, utc_at_latest
from ...keyring.lifecycle import Lifecycle, TooEarly
from ..common import as_json, moment, show
from .refresh_keys import rotate_refresh_keys
from .shared import alg_option, dry_run, opened, say, short
from .timeline import timeline_data, timeline_text, warn_if_young

_SENTENCES = {
    "publish": "a new key is published",
    "promote": "{kid} signs from now on",
    "destroy": "the private key of {kid} is destroyed",
    "retire": "{kid} no longer signs, since no client uses its algorithm",
    "withdraw": "{kid} is withdrawn, since no client uses its algorithm",
    "remove": "{kid} leaves the key set, since its last token has expired",
    "remove_refresh_key": "the refresh-token key {kid} is removed, since no authorization uses it",
}
_TOO_EARLY = """\
{kid} can be promoted from {at}, in {span}. It was published at {created_at}. \
Verifiers that have not fetched it since then would reject its tokens. To promote it now anyway:

    authserver keys rotate --emergency{alg}"""


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What was or would be done and the keys afterwards, or why nothing was done."""

    done: list[Transition]
    keys: Keys
    refused: TooEarly | None = None


@dataclass(frozen=True, slots=True)
class _Request:
    alg: str
    emergency: bool


@click.command("rotate")
@click.option("--due", is_flag=True, help="Apply only what the schedule says is due, which may be nothing.")
@click.option("--emergency", is_flag=True, help="Promote the key even if verifiers may not have fetched it yet.")
@alg_option
@click.option("--refresh-keys", is_flag=True, help="Create a new refresh-token key for new authorizations instead.")
@dry_run
@as_json
def rotate(due: bool, emergency: bool, alg: str, refresh_keys: bool, dry_run: bool, as_json: bool) -> None:
    """Promote the pending key: it signs from now on, and a new pending key is published.

    The key that signed until now stays published until its tokens expire. Running servers follow within 5 seconds.
    Until the pending key has been published for the lead time, this command exits with code 3 and prints the earliest
    time. You don't need it for routine rotation: running servers rotate keys on schedule.

    \b
    Examples:
      authserver keys rotate --dry-run
      authserver keys rotate --refresh-keys
    """
    if due + emergency + refresh_keys > 1:
        raise click.UsageError("Pass only one of --due, --emergency and --refresh-keys.")
    if refresh_keys:
        rotate_refresh_keys(dry_run, as_json)
        return
    with opened() as lifecycle:
        act = (_would_apply_due if due else _would_promote) if dry_run else (_apply_due if due else _promote)
        outcome, now = act(lifecycle, _Request(alg, emergency)), lifecycle.now()
    _print_result(outcome, lifecycle, now, dry_run)
    if as_json or dry_run or not outcome.refused:
        data = _as_data(outcome, alg, lifecycle, dry_run)
        show(data, as_json, lambda: timeline_text(outcome.keys, lifecycle.policy, now))
    if outcome.refused and not dry_run:
        raise Refused(_why_too_early(outcome.refused, now))


def _promote(lifecycle: Lifecycle, request: _Request) -> _Outcome:
    try:
        step = lifecycle.promote(request.alg, emergency=request.emergency)
    except TooEarly as error:
        return _Outcome([], lifecycle.read(), error)
    _print_step(step)
    return _Outcome([step], lifecycle.read())


def _apply_due(lifecycle: Lifecycle, _request: _Request) -> _Outcome:
    done = lifecycle.run_due(_print_step)  # printed one by one, since a later one may fail
    for id in lifecycle.remove_unused_refresh_keys():
        done.append(Transition("remove_refresh_key", "refresh", id))
        _print_step(done[-1])
    lifecycle.destroy_orphaned_keys()
    return _Outcome(done, lifecycle.read())


def _would_promote(lifecycle: Lifecycle, request: _Request) -> _Outcome:
    keys = lifecycle.read()
    try:
        step = lifecycle.promotion(keys, request.alg, emergency=request.emergency)
    except TooEarly as error:
        return _Outcome([], keys, error)
    return _Outcome([step], apply_step(keys, step, lifecycle.now()))


def _would_apply_due(lifecycle: Lifecycle, _request: _Request) -> _Outcome:
    state = lifecycle.read_state()
    return _Outcome(*apply_due(state.signing_keys, lifecycle.policy, lifecycle.now(), state.algorithms))


def _print_step(step: Transition, dry_run: bool = False) -> None:
    kid = step.kid if step.change == "remove_refresh_key" else short(step.kid or "")
    say(_SENTENCES[step.change].format(kid=kid), dry_run)


def _print_result(outcome: _Outcome, lifecycle: Lifecycle, now: int, dry_run: bool) -> None:
    for step in outcome.done if dry_run else ():
        _print_step(step, dry_run)
    for key in outcome.keys:
        if key.state == "active" and key.kid in {step.kid for step in outcome.done}:
            warn_if_young(key, lifecycle)
    if outcome.refused and dry_run:
        click.echo(f"Too early: {_why_too_early(outcome.refused, now)}", err=True)
    elif not outcome.done and not outcome.refused:
        click.echo("Nothing is due.", err=True)


def _as_data(outcome: _Outcome, alg: str, lifecycle: Lifecycle, dry_run: bool) -> dict[str, object]:
    pending = in_state(outcome.keys, alg, "pending")
    return {
        "dry_run": dry_run,
        "refused": outcome.refused is not None,
        "changes": [{"change": step.change, "alg": step.alg, "kid": step.kid} for step in outcome.done],
        "promotable_at": utc_at_latest(promotable_at(pending, lifecycle.policy)) if pending else None,
        "timeline": timeline_data(outcome.keys, lifecycle.policy),
    }


def _why_too_early(error: TooEarly, now: int) -> str:
    return _TOO_EARLY.format(
        kid=short(error.pending.kid),
        at=utc_at_latest(error.possible_at),
        span=span(error.possible_at - now),
        created_at=moment(error.pending.created_at),
        alg="" if error.pending.alg == DEFAULT else f" --alg {error.pending.alg}",
    )
