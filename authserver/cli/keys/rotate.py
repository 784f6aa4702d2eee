"""authserver keys rotate."""

from dataclasses import dataclass

import click

from ...domain.algorithms import DEFAULT
from ...domain.errors import Refused
from ...domain.key_schedule import Keys, Transition, in_state, promotable_at
from ...domain.key_timeline import apply_due, apply_step
from ...keyring.lifecycle import Lifecycle, TooEarly
from ..common import as_json, moment, show
from .refresh_keys import rotate_refresh_keys
from .shared import alg_option, as_data, in_words, moment_at_latest, opened, short, span, warn_of_young

_DONE = {
    "publish": "a new key is announced",
    "promote": "{kid} signs from now on",
    "destroy": "the private part of {kid} is destroyed",
    "retire": "{kid} signs no more, since no client uses its algorithm",
    "withdraw": "{kid} is withdrawn, since no client uses its algorithm",
    "remove": "{kid} leaves the key set, since its last token has expired",
    "remove_refresh_key": "the refresh-token key {kid} is gone, since no login uses it any more",
}


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What was done, or would be, and the keys after it; or why it is refused."""

    done: list[Transition]
    keys: Keys
    refused: TooEarly | None = None


@dataclass(frozen=True, slots=True)
class _Asked:
    alg: str
    emergency: bool


@click.command("rotate")
@click.option("--due", is_flag=True, help="Do only what the schedule says is due; it may be nothing.")
@click.option("--emergency", is_flag=True, help="Promote although verifiers may not have fetched the key yet.")
@alg_option
@click.option("--refresh-keys", is_flag=True, help="Publish a new refresh-token key instead.")
@click.option("--dry-run", is_flag=True, help="Change nothing; show what would be done, and what happens when.")
@as_json
def rotate(due: bool, emergency: bool, alg: str, refresh_keys: bool, dry_run: bool, as_json: bool) -> None:
    """Promote the announced key: it signs from now on, and the next one is announced.

    The key that signed until now stays published for as long as its tokens live. Running servers follow within 5
    seconds. Until the announced key has been published for the lead time this is refused, with exit code 3. Servers do
    by themselves what is due, so that none of it is needed for routine.

    \b
    Examples:
      authserver keys rotate --dry-run
      authserver keys rotate --refresh-keys
    """
    if due + emergency + refresh_keys > 1:
        raise click.UsageError("--due, --emergency and --refresh-keys exclude each other.")
    if refresh_keys:
        rotate_refresh_keys(dry_run, as_json)
        return
    with opened() as lifecycle:
        act = (_would_do_due if due else _would_promote) if dry_run else (_do_due if due else _promote)
        outcome, now = act(lifecycle, _Asked(alg, emergency)), lifecycle.now()
    _print_result(outcome, lifecycle, now, dry_run)
    data = _as_data(outcome, alg, lifecycle, dry_run)
    if as_json or dry_run or not outcome.refused:
        show(data, as_json, lambda: in_words(outcome.keys, lifecycle.policy, now))
    if outcome.refused and not dry_run:
        raise Refused(_why_too_early(outcome.refused, now))


def _promote(lifecycle: Lifecycle, asked: _Asked) -> _Outcome:
    try:
        step = lifecycle.promote(asked.alg, emergency=asked.emergency)
    except TooEarly as error:
        return _Outcome([], lifecycle.read(), error)
    _tell_done(step)
    return _Outcome([step], lifecycle.read())


def _do_due(lifecycle: Lifecycle, asked: _Asked) -> _Outcome:
    done = lifecycle.run_due(_tell_done)  # as it is done: what comes after may fail
    for id in lifecycle.remove_unused_refresh_keys():
        done.append(Transition("remove_refresh_key", "refresh", id))
        _tell_done(done[-1])
    lifecycle.destroy_orphaned_keys()
    return _Outcome(done, lifecycle.read())


def _would_promote(lifecycle: Lifecycle, asked: _Asked) -> _Outcome:
    keys = lifecycle.read()
    try:
        step = lifecycle.promotion(keys, asked.alg, emergency=asked.emergency)
    except TooEarly as error:
        return _Outcome([], keys, error)
    return _Outcome([step], apply_step(keys, step, lifecycle.now()))


def _would_do_due(lifecycle: Lifecycle, asked: _Asked) -> _Outcome:
    state = lifecycle.read_state()
    return _Outcome(*apply_due(state.signing_keys, lifecycle.policy, lifecycle.now(), state.algorithms))


def _tell_done(step: Transition, said: str = "Done") -> None:
    kid = step.kid if step.alg == "refresh" else short(step.kid or "")
    click.echo(f"{said}: {_DONE[step.change].format(kid=kid)}.", err=True)


def _print_result(outcome: _Outcome, lifecycle: Lifecycle, now: int, dry_run: bool) -> None:
    for step in outcome.done if dry_run else ():
        _tell_done(step, "Would be done")
    for key in outcome.keys:
        if key.state == "active" and key.kid in {step.kid for step in outcome.done}:
            warn_of_young(key, lifecycle)
    if outcome.refused and dry_run:
        click.echo(f"Would be refused. {_why_too_early(outcome.refused, now)}", err=True)
    elif not outcome.done and not outcome.refused:
        click.echo("Nothing is due.", err=True)


def _as_data(outcome: _Outcome, alg: str, lifecycle: Lifecycle, dry_run: bool) -> dict[str, object]:
    pending = in_state(outcome.keys, alg, "pending")
    return {
        "dry_run": dry_run,
        "refused": outcome.refused is not None,
        "changes": [{"change": step.change, "alg": step.alg, "kid": step.kid} for step in outcome.done],
        "promotable_at": moment_at_latest(promotable_at(pending, lifecycle.policy)) if pending else None,
        "timeline": as_data(outcome.keys, lifecycle.policy),
    }


def _why_too_early(error: TooEarly, now: int) -> str:
    kid, at = short(error.pending.kid), moment_at_latest(error.possible_at)
    of = "" if error.pending.alg == DEFAULT else f" --alg {error.pending.alg}"
    return (
        f"{kid} can be promoted from {at} on, in {span(error.possible_at - now)}: it was announced at "
        f"{moment(error.pending.created_at)}, and verifiers that have not fetched it since would refuse its tokens. "
        f"If it must be now:\n\n    authserver keys rotate --emergency{of}"
    )
