"""The keys that a new server starts with, and how every other key is made."""

import json
from collections.abc import Callable
from hashlib import sha256

from joserfc.jwk import RSAKey

from ..domain.models import RingKey, SigningKey
from ..store import signing_keys
from ..store.database import Connection
from .sealing import KeyEncryptionKeys
from .signer import generate, public_jwk


def create_missing(
    connection: Connection, keks: KeyEncryptionKeys, *, now: int, max_token_ttl: int, new_key: Callable[[], bytes]
) -> None:
    """One active and one pending RS256 key, both published, and the first key of the ring, where they are missing.

    The first key signs at once, for nobody can have fetched an older key set; every later one is announced.
    """
    state = signing_keys.load(connection)
    present = {key.state for key in state.signing_keys if key.alg == "RS256"}
    for missing in ("active", "pending"):
        if missing not in present:
            signing_keys.add(connection, new_signing_key(keks, "RS256", missing, now=now, max_token_ttl=max_token_ttl))
    if not state.ring:
        signing_keys.add_ring_key(connection, new_ring_key(keks, new_key(), now=now, active_at=now))


def new_signing_key(keks: KeyEncryptionKeys, alg: str, state: str, *, now: int, max_token_ttl: int) -> SigningKey:
    return sealed_signing_key(keks, generate(alg), alg, state, now=now, max_token_ttl=max_token_ttl)


def sealed_signing_key(
    keks: KeyEncryptionKeys, key: RSAKey, alg: str, state: str, *, now: int, max_token_ttl: int
) -> SigningKey:
    """The row of a private key."""
    public = public_jwk(key, alg)
    return SigningKey(
        kid=public["kid"],
        alg=alg,
        state=state,
        public=public,
        sealed=keks.seal(public["kid"], json.dumps(key.as_dict(private=True)).encode()),
        max_token_ttl=max_token_ttl,
        created_at=now,
        activated_at=now if state == "active" else None,
    )


def new_ring_key(keks: KeyEncryptionKeys, key: bytes, *, now: int, active_at: int) -> RingKey:
    id = "ring-" + sha256(b"authserver ring key id" + key).hexdigest()[:16]
    return RingKey(id, keks.seal(id, key), now, active_at)
