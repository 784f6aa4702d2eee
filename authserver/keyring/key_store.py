"""Combines the places of private keys: the database, and a key service if one is configured."""

from collections.abc import Iterable
from contextlib import suppress

from ..domain.errors import Misconfigured, Unavailable
from ..domain.models import SigningKey
from .database_keys import DatabaseKeys
from .envelope import KeyEncryptionKeys, is_wrapped
from .jwk import Key
from .signer import KeyService, PublicJwk, Signer

_NOT_CONFIGURED = (
    "A signing key is in a {} token, but no token is configured. Set:\n\n"
    "    AUTHSERVER_PKCS11_MODULE=/path/to/module.so"
)


class KeyStore:
    def __init__(self, keks: KeyEncryptionKeys, service: KeyService | None = None) -> None:
        """New keys are generated in `service` if there is one; keys in the database stay usable."""
        self.keks = keks
        self._database = DatabaseKeys(keks)
        self._services: tuple[KeyService, ...] = (service, self._database) if service else (self._database,)

    def generate(self, alg: str, *, now: int, max_token_ttl: int) -> SigningKey:
        """Generate a pending key. Raises Unavailable, and Refused for an algorithm that the key service does not
        support."""
        return _row(*self._services[0].generate(alg), alg, now, max_token_ttl)

    def import_key(self, key: Key, alg: str, kid: str | None, *, now: int, max_token_ttl: int) -> SigningKey:
        """Return a pending key for `key`, which was generated elsewhere. Imported keys are always stored in the
        database, even if there is a key service."""
        return _row(*self._database.wrap(key, alg, kid), alg, now, max_token_ttl)

    def open(self, key: SigningKey) -> Signer | None:
        """Return the signer for `key`; None if the private key was destroyed. Raises Misconfigured."""
        return self._service(key.wrapped).open(key.kid, key.alg, key.wrapped) if key.wrapped else None

    def destroy(self, kept: Iterable[str | None]) -> None:
        """Destroy private keys outside the database. Any that cannot be destroyed now still show in `present`."""
        for text in kept:
            if text and not is_wrapped(text):
                with suppress(Unavailable, Misconfigured):  # the change is already committed
                    self._service(text).destroy(text)

    def present(self) -> dict[str, str]:
        """Return the reference to every private key outside the database, by kid. Raises Unavailable."""
        return {kid: kept for service in self._services for kid, kept in service.present().items()}

    def _service(self, kept: str) -> KeyService:
        for service in self._services:
            if service.holds(kept):
                return service
        raise Misconfigured(_NOT_CONFIGURED.format(kept.partition(":")[0]))


def _row(public: PublicJwk, kept: str, alg: str, now: int, max_token_ttl: int) -> SigningKey:
    return SigningKey(public["kid"], alg, "pending", public, kept, max_token_ttl, created_at=now)
