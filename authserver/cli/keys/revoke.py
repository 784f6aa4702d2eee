"""authserver keys revoke."""

from dataclasses import dataclass

import click

from ...domain import key_transitions
from ...domain.key_schedule import Keys
from ...domain.key_timeline import placeholders
from ...keyring.lifecycle import Lifecycle
from ..common import as_json, confirm, fail, show, yes
from .refresh_keys import revoke_refresh_keys
from .shared import as_data, changes, dry_run, in_words, opened, tell_changes, warn_of_young

# Seconds for which a verifier may go on with a key set that it has; the guard's own test and that of the snippets know.
_GUARD = _SNIPPETS = 60
_STILL_ACCEPTED = """\
Every server stops publishing the key within 5 seconds. After that, its tokens are still accepted by
{}    verifiers with a fixed cache, for as long as that lasts: often 5 or 10 minutes, or until a restart
and by none of them once the tokens have expired."""
_NEXT_KEK = (
    "Who had the host had the key-encryption key. Change it now:\n\n"
    "    authserver keys rewrap --create\n    authserver keys rewrap"
)


@dataclass(frozen=True, slots=True)
class _Outcome:
    before: Keys
    changed: Keys
    logins_ended: int | None = None


@click.command("revoke", context_settings={"ignore_unknown_options": True})  # a KID may begin with a hyphen
@click.argument("kid", required=False)
@click.option(
    "--all", "everything", is_flag=True, help="Replace every key and end every login, after a host was compromised."
)
@click.option("--refresh-keys", is_flag=True, help="Replace the refresh-token keys instead, and end every login.")
@dry_run
@yes
@as_json
def revoke(kid: str | None, everything: bool, refresh_keys: bool, dry_run: bool, yes: bool, as_json: bool) -> None:
    """Revoke the compromised key KID: it is out of the key set at once, and the announced key takes over.

    Users stay logged in: refresh tokens do not depend on it. Running servers stop publishing it within 5 seconds.
    A verifier refuses the access tokens that it signed once it fetches the key set again; the command prints how long
    that takes. With --all, verifiers also refuse new tokens until then, since they have never seen the new keys.

    \b
    Examples:
      authserver keys revoke T8cAYtQ... --yes
      authserver keys revoke --all --dry-run
    """
    if (kid is not None) + everything + refresh_keys != 1:
        raise click.UsageError("Give one of: KID, --all, --refresh-keys.")
    if not dry_run:
        confirm(_question(kid, refresh_keys), yes)
    if refresh_keys:
        revoke_refresh_keys(dry_run, as_json)
        return
    with opened() as lifecycle:
        outcome = _revoke(lifecycle, kid, dry_run)
        keys = key_transitions.merged(outcome.before, outcome.changed)
        _print_result(outcome, lifecycle, everything, dry_run)
        data = {
            "dry_run": dry_run,
            "changes": changes(outcome.changed),
            "logins_ended": outcome.logins_ended,
            "still_accepted": [{"by": by, "seconds": seconds} for by, seconds in _verifiers(lifecycle)],
            "timeline": as_data(keys, lifecycle.policy),
        }
        show(data, as_json, lambda: in_words(keys, lifecycle.policy, lifecycle.now()))


def _revoke(lifecycle: Lifecycle, kid: str | None, dry_run: bool) -> _Outcome:
    """One key, or all of them where `kid` is None."""
    before, now = lifecycle.read(), lifecycle.now()
    if kid is None:
        if dry_run:
            return _Outcome(before, key_transitions.all_revoked(before, now, placeholders(before)))
        return _Outcome(before, *lifecycle.revoke_all())
    if not any(key.kid == kid for key in before):
        raise fail(f"There is no key {kid}. To see them all: authserver keys list")
    if dry_run:
        return _Outcome(before, key_transitions.revoked(before, kid, now, placeholders(before)))
    return _Outcome(before, lifecycle.revoke(kid))


def _question(kid: str | None, refresh_keys: bool) -> str:
    if refresh_keys:
        return "Replace the keys of the refresh tokens and end every login?"
    if kid is None:
        return "Revoke every key and end every login?"
    return f"Revoke the key {kid}? Its access tokens are refused from now on, and it never signs again. Are you sure?"


def _verifiers(lifecycle: Lifecycle) -> list[tuple[str, int]]:
    """Who may go on accepting a revoked key, and for how many seconds after the servers stopped publishing it."""
    return [
        ("authserver.resource.Guard", _GUARD),
        ("APIs made by authserver snippet", _SNIPPETS),
        ("other verifiers that respect Cache-Control", lifecycle.policy.jwks_max_age),
    ]


def _tell_verifiers(lifecycle: Lifecycle) -> None:
    known = [f"    {by}, for at most {seconds} seconds\n" for by, seconds in _verifiers(lifecycle)]
    click.echo(_STILL_ACCEPTED.format("".join(known)), err=True)


def _print_result(outcome: _Outcome, lifecycle: Lifecycle, everything: bool, dry_run: bool) -> None:
    tell_changes(outcome.changed, dry_run)
    if not outcome.changed:
        click.echo("It was revoked before: nothing changed.", err=True)
    if any(key.state == "revoked" for key in outcome.changed):
        _tell_verifiers(lifecycle)
    for key in outcome.changed:
        if key.state == "active":
            warn_of_young(key, lifecycle)
    if everything:
        ended = "would end" if dry_run else f"has ended ({outcome.logins_ended})"
        click.echo(f"Every login {ended}; a new key makes the refresh tokens.\n{_NEXT_KEK}", err=True)
