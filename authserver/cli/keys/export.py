"""authserver keys export-public."""

import click

from ...domain.key_timeline import published
from ...domain.models import SigningKey
from ...keyring.jwk import public_pem
from ..common import as_json, fail, show
from .shared import NO_SUCH_KEY, opened


@click.command("export-public", context_settings={"ignore_unknown_options": True})  # a KID may begin with a hyphen
@click.argument("kid", required=False)
@as_json
def export_public(kid: str | None, as_json: bool) -> None:
    """Print the public key KID, or all published keys, as PEM; with --json as a JWK Set (RFC 7517).

    For verifiers that cannot fetch the key set: give them each new key before it signs. Removed and revoked keys are
    printed only if you name them.

    \b
    Examples:
      authserver keys export-public > keys.pem
      authserver keys export-public --json
    """
    with opened() as lifecycle:
        keys = lifecycle.read()
    chosen = [key for name in ([kid] if kid else published(keys)) for key in keys if key.kid == name]
    if kid and not chosen:
        raise fail(NO_SUCH_KEY.format(kid))
    show({"keys": [key.public for key in chosen]}, as_json, lambda: "\n".join(_pem(key) for key in chosen))


def _pem(key: SigningKey) -> str:
    return f"# {key.kid} ({key.alg}, {key.state})\n{public_pem(key.public)}"
