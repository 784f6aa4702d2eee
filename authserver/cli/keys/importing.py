"""authserver keys import and keys publish: keys that were made elsewhere."""

import sys

import click

from ...domain import key_transitions
from ...domain.key_schedule import removable_at
from ...domain.models import SigningKey
from ...domain.times import utc_at_latest
from ...keyring.jwk import Key, public_jwk
from ...keyring.lifecycle import Lifecycle
from ...keyring.lifecycle.importing import Encrypted, PublicKey, kid_of, read_private_key, read_public_keys
from ...keyring.lifecycle.key_file import Unreadable
from ..common import as_json, fail, show
from .shared import alg_option, dry_run, opened, say, short
from .timeline import changes_data, print_changes, timeline_data, timeline_text

_MAX_BYTES = 65536
_key_file = click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True))


@click.command("import")
@_key_file
@click.option("--password-stdin", is_flag=True, help="Read the password of an encrypted PEM file from stdin.")
@click.option("--keep-kid", is_flag=True, help="Keep the `kid` of the JWK in FILE.")
@click.option("--kid", help="The `kid` of the key, if FILE contains none (PEM).")
@alg_option
@dry_run
@as_json
def import_(
    file: str, alg: str, password_stdin: bool, keep_kid: bool, kid: str | None, dry_run: bool, as_json: bool
) -> None:
    """Import the private key in FILE (PEM or JWK) and publish it in place of the pending key.

    It signs when its lead time is over, like every other key. If verifiers have it already, you can promote it at once
    with `keys rotate --emergency`. Its `kid` is its RFC 7638 thumbprint unless you pass --keep-kid or --kid: keep the
    `kid` of a key that signed tokens elsewhere, so that they stay valid. Weak and damaged keys, and keys that were ever
    used here, are rejected with exit code 3. Text around a PEM block is ignored.

    \b
    Examples:
      authserver keys import old-server.pem
      authserver keys import old-server.jwk --keep-kid --dry-run
    """
    if password_stdin and file == "-":
        raise click.UsageError("FILE and the password cannot both come from stdin.")
    content = _content(file)
    private = _read(content, alg, password_stdin)
    kid = _kept_kid(content, keep_kid, kid)
    with opened() as lifecycle:
        before = lifecycle.read()
        changed = _would_import(lifecycle, private, alg, kid) if dry_run else lifecycle.import_key(private, alg, kid)
        keys, policy, now = key_transitions.merged(before, changed), lifecycle.policy, lifecycle.now()
    print_changes(changed, dry_run)
    data = {"dry_run": dry_run, "changes": changes_data(changed), "timeline": timeline_data(keys, policy)}
    show(data, as_json, lambda: timeline_text(keys, policy, now))


@click.command("publish")
@_key_file
@click.option(
    "--token-ttl",
    type=click.IntRange(1, 365 * 86400),
    default=86400,
    show_default=True,
    help="Seconds from now until the last token of the key expires.",
)
@click.option("--kid", help="The `kid` of the key, if FILE contains none (PEM).")
@alg_option
@dry_run
@as_json
def publish(file: str, token_ttl: int, kid: str | None, alg: str, dry_run: bool, as_json: bool) -> None:
    """Publish the public key in FILE (PEM, JWK or JWK Set), so that the tokens of an old server stay valid.

    The key never signs here. It keeps the `kid` of a JWK, and leaves the key set automatically when its last token has
    expired. A key that was ever used here is rejected with exit code 3.

    \b
    Examples:
      curl -sS https://old.example/jwks.json | authserver keys publish - --token-ttl 3600
      authserver keys publish old-server.pem --kid 2024-05 --dry-run
    """
    public = _read_public(_content(file), alg, kid)
    with opened() as lifecycle:
        rows = [_to_verify(key, token_ttl, lifecycle.now()) for key in public]
        added = lifecycle.published(lifecycle.read(), rows) if dry_run else lifecycle.publish(rows)
        policy = lifecycle.policy
    for key in added:
        until = utc_at_latest(removable_at(key, policy))
        say(f"{short(key.kid)} ({key.alg}) is published until {until}", dry_run)
    data = [{"kid": key.kid, "alg": key.alg, "until": utc_at_latest(removable_at(key, policy))} for key in added]
    show({"dry_run": dry_run, "published": data}, as_json, lambda: "\n".join(key.kid for key in added))


def _content(file: str) -> bytes:
    with click.open_file(file, "rb") as stream:
        content: bytes = stream.read(_MAX_BYTES)
    return content


def _kept_kid(content: bytes, keep_kid: bool, kid: str | None) -> str | None:
    if not keep_kid:
        return kid
    if kid is not None:
        raise click.UsageError("Pass either --keep-kid or --kid, not both.")
    kept = kid_of(content)
    if kept is None:
        raise fail("The file contains no kid: only a JWK can. Pass it with --kid KID.")
    return kept


def _read_public(content: bytes, alg: str, kid: str | None) -> list[PublicKey]:
    try:
        keys = read_public_keys(content, alg)
    except Unreadable as error:
        raise fail(str(error)) from None
    if kid is None:
        return keys
    if len(keys) > 1:
        raise click.UsageError("FILE contains several keys, but --kid is for one.")
    return [PublicKey(keys[0].key, keys[0].alg, kid)]


def _to_verify(key: PublicKey, token_ttl: int, now: int) -> SigningKey:
    public = public_jwk(key.key, key.alg, key.kid)
    return key_transitions.published_to_verify(public["kid"], key.alg, public, token_ttl, now)


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


def _would_import(lifecycle: Lifecycle, private: Key, alg: str, kid: str | None) -> tuple[SigningKey, ...]:
    public, now = public_jwk(private, alg, kid), lifecycle.now()
    key = SigningKey(public["kid"], alg, "pending", public, None, lifecycle.max_token_ttl, now)
    return lifecycle.imported(lifecycle.read(), key, now)
