"""authserver keys revoke."""

from dataclasses import dataclass

import click

from ...domain import key_transitions
from ...domain.key_schedule import Keys
from ...domain.key_timeline import placeholders
from ...keyring.lifecycle import Lifecycle
from ..common import as_json, confirm, fail, show, yes
from .refresh_keys import revoke_refresh_keys
from .shared import NO_SUCH_KEY, dry_run, opened
from .timeline import changes_data, print_changes, timeline_data, timeline_text, warn_if_young

# Seconds for which a verifier may keep a key set; the tests of the guard and of the snippets check these figures.
_GUARD = _SNIPPETS = 60
_STILL_ACCEPTED = """\
Every server stops publishing the key within 5 seconds. After that, these verifiers still accept its tokens, unless the
tokens expire first:
{}    verifiers with a fixed cache, for as long as it lasts: often 5 or 10 minutes, or until a restart"""
_NEXT_KEK = (
    "Whoever controlled the host had the key-encryption key. Replace it now:\n\n"
    "    authserver keys rewrap --create\n    authserver keys rewrap"
)


@dataclass(frozen=True, slots=True)
class _Outcome:
    before: Keys
    changed: Keys
    authorizations_ended: int | None = None


@click.command("revoke", context_settings={"ignore_unknown_options": True})  # a KID may begin with a hyphen
@click.argument("kid", required=False)
@click.option(
    "--all",
    "everything",
    is_flag=True,
    help="Replace every key and end every authorization, after a host was compromised.",
)
@click.option(
    "--refresh-keys", is_flag=True, help="Replace the refresh-token keys instead, and end every authorization."
)
@dry_run
@yes
@as_json
def revoke(kid: str | None, everything: bool, refresh_keys: bool, dry_run: bool, yes: bool, as_json: bool) -> None:
    """Revoke the compromised key KID: it leaves the key set at once, and the pending key replaces it.

    Users stay logged in: refresh tokens do not depend on signing keys. Running servers stop publishing the key within
    5 seconds. Verifiers reject the access tokens that it signed once they fetch the key set again; the command prints
    how long that takes. With --all, verifiers also reject new tokens until then, since the new keys are unknown to
    them.

    \b
    Examples:
      authserver keys revoke T8cAYtQ... --yes
      authserver keys revoke --all --dry-run
    """
    if (kid is not None) + everything + refresh_keys != 1:
        raise click.UsageError("Pass exactly one of KID, --all and --refresh-keys.")
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
            "changes": changes_data(outcome.changed),
            "authorizations_ended": outcome.authorizations_ended,
            "still_accepted": [{"by": by, "seconds": seconds} for by, seconds in _verifiers(lifecycle)],
            "timeline": timeline_data(keys, lifecycle.policy),
        }
        show(data, as_json, lambda: timeline_text(keys, lifecycle.policy, lifecycle.now()))


def _revoke(lifecycle: Lifecycle, kid: str | None, dry_run: bool) -> _Outcome:
    """Revoke one key, or all of them if `kid` is None."""
    before, now = lifecycle.read(), lifecycle.now()
    if kid is None:
        if dry_run:
            return _Outcome(before, key_transitions.all_revoked(before, now, placeholders(before)))
        return _Outcome(before, *lifecycle.revoke_all())
    if not any(key.kid == kid for key in before):
        raise fail(NO_SUCH_KEY.format(kid))
    if dry_run:
        return _Outcome(before, key_transitions.revoked(before, kid, now, placeholders(before)))
    return _Outcome(before, lifecycle.revoke(kid))


def _question(kid: str | None, refresh_keys: bool) -> str:
    if refresh_keys:
        return "Replace every refresh-token key and end all authorizations?"
    if kid is None:
        return "Revoke every key and end all authorizations?"
    return f"Revoke the key {kid}? It will never sign again, and the access tokens that it signed become invalid."


def _verifiers(lifecycle: Lifecycle) -> list[tuple[str, int]]:
    """Return each kind of verifier, and for how many seconds it still accepts a key that is no longer published."""
    return [
        ("authserver.resource.Guard", _GUARD),
        ("APIs made by authserver snippet", _SNIPPETS),
        ("other verifiers that respect Cache-Control", lifecycle.policy.jwks_max_age),
    ]


def _print_verifiers(lifecycle: Lifecycle) -> None:
    lines = [f"    {by}, for at most {seconds} seconds\n" for by, seconds in _verifiers(lifecycle)]
    click.echo(_STILL_ACCEPTED.format("".join(lines)), err=True)


def _print_result(outcome: _Outcome, lifecycle: Lifecycle, everything: bool, dry_run: bool) -> None:
    print_changes(outcome.changed, dry_run)
    if not outcome.changed:
        click.echo("The key was already revoked: nothing changed.", err=True)
    if any(key.state == "revoked" for key in outcome.changed):
        _print_verifiers(lifecycle)
    for key in outcome.changed:
        if key.state == "active":
            warn_if_young(key, lifecycle)
    if everything:
        ended = "would end" if dry_run else f"have ended ({outcome.authorizations_ended})"
        click.echo(f"All authorizations {ended}; new ones use a new refresh-token key.\n{_NEXT_KEK}", err=True)
