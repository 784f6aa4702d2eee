"""authserver keys import."""

import sys

import click

from ...domain import key_transitions
from ...domain.models import SigningKey
from ...keyring.importing import Encrypted, Unreadable, read_private_key
from ...keyring.jwk import Key
from ...keyring.lifecycle import Lifecycle
from ...keyring.refusals import check_importable
from ..common import as_json, fail, show
from .shared import alg_option, as_data, changes, dry_run, in_words, opened, tell_changes

_MOST_BYTES = 65536


@click.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True))
@click.option("--password-stdin", is_flag=True, help="Read the password of an encrypted PEM from stdin.")
@alg_option
@dry_run
@as_json
def import_(file: str, alg: str, password_stdin: bool, dry_run: bool, as_json: bool) -> None:
    """Announce the private key in FILE (PEM or JWK) in place of the key that is announced now.

    It takes over when its lead time is over, like every other; `keys rotate --emergency` does it at once, which suits a
    key that verifiers hold already. Its `kid` becomes its RFC 7638 thumbprint. Weak and damaged keys are refused (exit
    code 3), and so are keys that were ever used here.

    \b
    Examples:
      authserver keys import old-server.pem
      authserver keys import old-server.jwk --alg ES256 --dry-run
    """
    if password_stdin and file == "-":
        raise click.UsageError("FILE and the password cannot both come from stdin.")
    with click.open_file(file, "rb") as stream:
        content: bytes = stream.read(_MOST_BYTES)
    private = _read(content, alg, password_stdin)
    with opened() as lifecycle:
        before = lifecycle.read()
        changed = _rehearsed(lifecycle, private, alg) if dry_run else lifecycle.import_key(private, alg)
        keys, policy, now = key_transitions.merged(before, changed), lifecycle.policy, lifecycle.now()
    tell_changes(changed, dry_run)
    data = {"dry_run": dry_run, "changes": changes(changed), "timeline": as_data(keys, policy)}
    show(data, as_json, lambda: in_words(keys, policy, now))


def _read(content: bytes, alg: str, password_stdin: bool) -> Key:
    try:
        return read_private_key(content, _line() if password_stdin else None, alg)
    except Encrypted as error:
        if not sys.stdin.isatty():
            raise fail(str(error)) from None
    except Unreadable as error:
        raise fail(str(error)) from None
    return _read_with_prompt(content, alg)


def _read_with_prompt(content: bytes, alg: str) -> Key:
    try:
        return read_private_key(content, str(click.prompt("Password of the key", hide_input=True, err=True)), alg)
    except Unreadable as error:
        raise fail(str(error)) from None


def _line() -> str:
    return sys.stdin.readline().rstrip("\r\n")


def _rehearsed(lifecycle: Lifecycle, private: Key, alg: str) -> tuple[SigningKey, ...]:
    keys, now = lifecycle.read(), lifecycle.now()
    key = SigningKey(private.thumbprint(), alg, "pending", {}, None, lifecycle.max_token_ttl, now)
    check_importable(keys, key.kid, alg)
    return key_transitions.imported(keys, key, now)
