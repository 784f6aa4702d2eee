"""What this process knows of the keys: signs with the active one, publishes all, holds the ring of refresh tokens.

The state lives in the database and is read anew every few seconds; a process that could not read it for 30 s signs
nothing, so that no key signs that others have already taken out. Its JWKS goes on from memory.
"""

import json
from collections.abc import Callable
from hashlib import sha256
from typing import Any

from joserfc.jwk import RSAKey

from ..domain import ring_schedule
from ..domain.errors import KeyMissing, Misconfigured
from ..domain.key_schedule import STALE_AFTER
from ..domain.models import SECOND, SigningKey
from ..store.signing_keys import KeyState
from .sealing import KeyEncryptionKeys
from .signer import PUBLISHED, Signer

_PUBLISHED = ("active", "pending", "retired")


class Keyring:
    def __init__(
        self,
        keks: KeyEncryptionKeys,
        state: KeyState,
        now: int,
        reread: Callable[[], KeyEncryptionKeys] | None = None,
    ) -> None:
        """Opens every sealed key; `now` in microseconds. `reread` gives the key-encryption keys that are there by now,
        when those of the start do not open a key. Raises Misconfigured if one does not open."""
        self._keks, self._reread = keks, reread
        self._signers: dict[tuple[str, bool], Signer] = {}
        self._ring: dict[str, bytes] = {}
        self.update(state, now)

    def update(self, state: KeyState, now: int) -> None:
        """Take over what the database says, read at `now`. Keys that are known already are not opened again."""
        try:
            self._take_over(state)
        except Misconfigured:
            if self._reread is None:
                raise
            self._keks = self._reread()
            self._take_over(state)
        self._read_at = now

    def _take_over(self, state: KeyState) -> None:
        ring = {key.id: self._ring.get(key.id) or self._keks.open(key.id, key.sealed) for key in state.ring}
        published = sorted(
            (key for key in state.signing_keys if key.state in _PUBLISHED), key=lambda key: _PUBLISHED.index(key.state)
        )
        # By whether the private part is there: once it is destroyed, this process forgets it too.
        places = {key.kid: (key.kid, key.sealed is not None) for key in published}
        signers = {key.kid: self._signers.get(places[key.kid]) or self._signer(key) for key in published}
        self._ring_keys, self._ring = state.ring, ring
        self._signers = {places[kid]: signer for kid, signer in signers.items()}
        self._active = {key.alg: signers[key.kid] for key in published if key.state == "active"}
        self._by_header = {signer.header: signer for signer in signers.values()}
        self._publish(published)

    def sign(self, claims: dict[str, Any], now: int, alg: str = "RS256") -> str:
        """A JWT of type at+jwt. Raises KeyMissing while the key state is too old to sign by."""
        if self.is_stale(now):
            raise KeyMissing("The key state has not been read for 30 s: this process signs nothing before it is.")
        signer = self._active.get(alg)
        if signer is None:
            raise KeyMissing(f"No key signs {alg} at present.")
        return signer.sign(claims)

    def is_stale(self, now: int) -> bool:
        return now - self._read_at > STALE_AFTER * SECOND

    def verify(self, token: str) -> dict[str, Any] | None:
        """The claims of an access token that one of our published keys signed, whether or not it has expired."""
        header, _, rest = token.encode("ascii", "replace").partition(b".")
        payload, _, signature = rest.partition(b".")
        signer = self._by_header.get(header)
        return signer.claims(payload, signature) if signer else None

    def ring_key(self, id: str) -> bytes:
        """Raises KeyMissing if this process has not read that key yet."""
        key = self._ring.get(id)
        if key is None:
            raise KeyMissing(f"The refresh-token key {id} is not known here yet.")
        return key

    def newest_ring_key_id(self, now: int) -> str:
        """The key that new authorizations use: the newest that every process has had the time to read."""
        return ring_schedule.newest(self._ring_keys, now).id

    def _signer(self, key: SigningKey) -> Signer:
        private = self._keks.open(key.kid, key.sealed) if key.sealed else None
        return Signer(key.kid, key.alg, RSAKey.import_key(json.loads(private) if private else dict(key.public)))

    def _publish(self, published: list[SigningKey]) -> None:
        self.jwks = {
            "keys": [{name: key.public[name] for name in PUBLISHED if name in key.public} for key in published]
        }
        self.jwks_document = json.dumps(self.jwks).encode()
        self.jwks_etag = f'"{sha256(self.jwks_document).hexdigest()[:32]}"'
