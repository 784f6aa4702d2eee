"""authserver init."""

from collections.abc import Callable

import click

from .. import system
from ..domain import first_party
from ..settings import Settings, load
from ..store.database import Database


@click.command("init")
def command() -> None:
    """Create the database, the key-encryption key and the first keys, where they are missing.

    It can be run again at any time: what is there stays as it is.

    \b
    Examples:
      authserver init
      AUTHSERVER_DATABASE_URL=sqlite:////var/lib/authserver/authserver.db authserver init
    """
    from ..app import open_database

    settings = load()
    database = open_database(settings)
    try:
        initialise(settings, database, system.now)
    finally:
        database.close()
    click.echo(f"Ready for: authserver serve   (issuer {settings.issuer})", err=True)


def initialise(settings: Settings, database: Database, now: Callable[[], int]) -> None:
    """Idempotent. Raises Misconfigured if what is there does not fit the settings."""
    from ..app import open_key_encryption_keys, open_key_service
    from ..keyring import KeyEncryptionKeys, Keyring, KeyStore
    from ..keyring.lifecycle import bootstrap
    from ..store import clients, migrations, signing_keys

    with database.begin() as connection:
        migrations.upgrade(connection)
        state, keks = signing_keys.load(connection), open_key_encryption_keys(settings)
        holds_nothing_sealed = not state.signing_keys and not state.refresh_keys
        if not keks and holds_nothing_sealed:
            keks = KeyEncryptionKeys(_create_key_encryption_key(settings, now()))
        private = KeyStore(keks, open_key_service(settings))
        Keyring(private, state, now())  # opens what is there, or says what is missing
        longest = settings.access_token_ttl
        if settings.first_party_api == "on" and clients.load(connection, first_party.CLIENT_ID) is None:
            clients.add(connection, first_party.client(now()))
        bootstrap.create_missing(connection, private, now=now(), max_token_ttl=longest, new_key=system.new_key)


def _create_key_encryption_key(settings: Settings, now: int) -> dict[str, bytes]:
    from ..keyring import files

    key = system.new_key()
    path = files.create(settings.keys_dir, key, now)
    click.echo(f"Created the key-encryption key {path}: back it up, apart from the database.", err=True)
    return {str(path): key}
