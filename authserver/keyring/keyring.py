"""What this process knows of the keys: signs with the active one, publishes all, holds the ring of refresh tokens.

The state lives in the database and is read anew every few seconds; a process that could not read it for 30 s signs
nothing, so that no key signs that others have already taken out. Its JWKS goes on from memory.
"""

import json
from collections.abc import Callable
from hashlib import sha256
from typing import Any

from ..domain import refresh_key_schedule
from ..domain.algorithms import ALGORITHMS, DEFAULT, DEFAULT_TYP
from ..domain.errors import KeyMissing, Misconfigured
from ..domain.key_schedule import STALE_AFTER
from ..domain.models import SECOND, SigningKey
from ..store.signing_keys import KeyState
from .jwk import PUBLISHED
from .jwt import AccessTokens, is_header
from .key_store import KeyStore

_PUBLISHED = ("active", "pending", "retired")


class Keyring:
    def __init__(
        self,
        private: KeyStore,
        state: KeyState,
        read_at: int,
        reread: Callable[[], KeyStore] | None = None,
    ) -> None:
        """Opens every private key; `read_at` is a moment of the steady clock, in microseconds. `reread` gives the
        key-encryption keys that are there by now, when those of the start do not open a key. Raises Misconfigured if
        one does not open."""
        self._private, self._reread = private, reread
        self._tokens: dict[tuple[str, bool], AccessTokens] = {}
        self._ring: dict[str, bytes] = {}
        self.update(state, read_at)

    def update(self, state: KeyState, read_at: int) -> None:
        """Take over what the database says, read at that moment. Keys that are known already are not opened again."""
        try:
            self._take_over(state)
        except Misconfigured:
            if self._reread is None:
                raise
            self._private = self._reread()
            self._take_over(state)
        self._read_at = read_at

    def _take_over(self, state: KeyState) -> None:
        ring = {
            key.id: self._ring.get(key.id) or self._private.keks.unwrap(key.id, key.wrapped)
            for key in state.refresh_keys
        }
        published = sorted((key for key in state.signing_keys if key.state in _PUBLISHED), key=_place)
        # By whether the private part is there: once it is destroyed, this process forgets it too.
        known = [key for key in published if key.alg in ALGORITHMS]  # a later version may have brought others
        places = {key.kid: (key.kid, key.wrapped is not None) for key in known}
        tokens = {key.kid: self._tokens.get(places[key.kid]) or self._opened(key) for key in known}
        self._refresh_keys, self._ring = state.refresh_keys, ring
        self._tokens = {places[kid]: those for kid, those in tokens.items()}
        self._active = {key.alg: tokens[key.kid] for key in known if key.state == "active"}
        self._by_header = {header: those for those in tokens.values() for header in those.headers.values()}
        self._publish(published)

    def sign(self, claims: dict[str, Any], moment: int, alg: str = DEFAULT, typ: str = DEFAULT_TYP) -> str:
        """A JWT, signed at `moment`. Raises KeyMissing while the key state is too old to sign by, and Unavailable."""
        if self.is_stale(moment):
            raise KeyMissing("The key state has not been read for 30 s: this process signs nothing before it is.")
        tokens = self._signs(alg)
        if tokens is None:
            raise KeyMissing(f"No key signs {alg} at present.")
        return tokens.sign(claims, typ)

    def remote_algorithms(self) -> list[str]:
        """Those whose key signs outside of this process."""
        return [alg for alg, tokens in self._active.items() if tokens.remote]

    def is_remote(self, alg: str) -> bool:
        """Whether `sign` has to ask somebody else, and should be waited for beside the event loop."""
        tokens = self._signs(alg)
        return tokens is not None and tokens.remote

    def check(self) -> None:
        """Raises Unavailable or Misconfigured unless every active key signs."""
        for tokens in self._active.values():
            tokens.sign({})

    def is_stale(self, moment: int) -> bool:
        return moment - self._read_at > STALE_AFTER * SECOND

    def verify(self, token: str) -> dict[str, Any] | None:
        """The claims of an access token that one of our published keys signed, whether or not it has expired."""
        header, _, rest = token.encode("ascii", "replace").partition(b".")
        payload, _, signature = rest.partition(b".")
        tokens = self._by_header.get(header)
        return tokens.claims(header, payload, signature) if tokens else None

    def may_be_newer(self, token: str) -> bool:
        """Whether a key that this process has not read yet may have signed `token`."""
        header = token.encode("ascii", "replace").partition(b".")[0]
        return header not in self._by_header and is_header(header)

    def refresh_key(self, id: str) -> bytes:
        """Raises KeyMissing if this process has not read that key yet."""
        key = self._ring.get(id)
        if key is None:
            raise KeyMissing(f"The refresh-token key {id} is not known here yet.")
        return key

    def newest_refresh_key_id(self, now: int) -> str:
        """The key that new authorizations use: the newest that every process has had the time to read."""
        return refresh_key_schedule.newest(self._refresh_keys, now).id

    def _signs(self, alg: str) -> AccessTokens | None:
        """The default algorithm stands in until the first key of another one has met its lead time."""
        return self._active.get(alg) or self._active.get(DEFAULT)

    def _opened(self, key: SigningKey) -> AccessTokens:
        return AccessTokens(key.public, key.alg, self._private.open(key))

    def _publish(self, published: list[SigningKey]) -> None:
        self.jwks = {
            "keys": [{name: key.public[name] for name in PUBLISHED if name in key.public} for key in published]
        }
        self.jwks_document = json.dumps(self.jwks).encode()
        self.jwks_etag = f'"{sha256(self.jwks_document).hexdigest()[:32]}"'


def _place(key: SigningKey) -> tuple[int, bool]:
    """In the JWKS the active key is first, for verifiers that look no further."""
    return _PUBLISHED.index(key.state), key.alg != DEFAULT
