"""The keys as this process knows them: it signs with the active key, publishes the JWKS, and holds the refresh-token
keys.

Their state is in the database and is read every few seconds. A process that could not read it for 30 s stops signing,
so that it never signs with a key that another process has removed. It still serves its JWKS from memory.
"""

import json
from collections.abc import Callable
from typing import Any

from ..domain import links, refresh_key_schedule, subjects, user_code
from ..domain.algorithms import ALGORITHMS, DEFAULT, DEFAULT_TYP
from ..domain.errors import KeyMissing, Misconfigured
from ..domain.key_schedule import STALE_AFTER
from ..domain.models import SECOND, Client, DeviceCode, Link, SigningKey
from ..store.attempts import AttemptKeys
from ..store.signing_keys import KeyState
from .attempt_keys import attempt_keys
from .jwk import PUBLISHED
from .jwt import AccessTokens, is_header, kid_of
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
        """Open every private key.

        `read_at` is when `state` was read, by the steady clock in microseconds. `reread` is called when a key cannot be
        unwrapped, and returns a key store with the key-encryption keys that exist now. Raises Misconfigured if a key
        still cannot be opened."""
        self._private, self._reread = private, reread
        self._tokens: dict[tuple[str, bool], AccessTokens] = {}
        self._refresh_secrets: dict[str, bytes] = {}
        self._subject_secret: bytes | None = None
        self.update(state, read_at)

    def update(self, state: KeyState, read_at: int) -> None:
        """Switch to `state`, which was read from the database at `read_at`. Keys that are already open stay open."""
        try:
            self._take_over(state)
        except Misconfigured:
            if self._reread is None:
                raise
            self._private = self._reread()
            self._take_over(state)
        self._read_at = read_at

    def _take_over(self, state: KeyState) -> None:
        refresh_keys = {
            key.id: self._refresh_secrets.get(key.id) or self._private.keks.unwrap(key.id, key.wrapped)
            for key in state.refresh_keys
        }
        subject_secret = self._subject_secret
        if subject_secret is None and state.subject_key is not None:  # there is never another one
            subject_secret = self._private.keks.unwrap(state.subject_key.id, state.subject_key.wrapped)
        published = sorted((key for key in state.signing_keys if key.state in _PUBLISHED), key=_place)
        supported = [key for key in published if key.alg in ALGORITHMS]  # a later version may add others
        # The cache key says whether the private key exists: once it is destroyed, this process forgets it too.
        cache_keys = {key.kid: (key.kid, key.wrapped is not None) for key in supported}
        tokens = {key.kid: self._tokens.get(cache_keys[key.kid]) or self._opened(key) for key in supported}
        self._refresh_keys, self._refresh_secrets = state.refresh_keys, refresh_keys
        self._subject_secret = subject_secret
        self.signing_keys = state.signing_keys
        self._tokens = {cache_keys[kid]: opened for kid, opened in tokens.items()}
        self._active = {key.alg: tokens[key.kid] for key in supported if key.state == "active"}
        self._by_header = {header: opened for opened in tokens.values() for header in opened.headers.values()}
        self._publish(published)

    def sign(
        self, claims: dict[str, Any], moment: int, alg: str = DEFAULT, typ: str = DEFAULT_TYP, exact: bool = False
    ) -> str:
        """Return a JWT, signed at `moment` of the steady clock (microseconds). With `exact`, no key of another
        algorithm signs in place of one of `alg`. Raises KeyMissing if the key state is too old or no key signs, and
        Unavailable if the key service fails."""
        if self.is_stale(moment):
            raise KeyMissing("The key state has not been read for 30 s. This process does not sign until it is read.")
        tokens = self._active.get(alg) if exact else self._signs(alg)
        if tokens is None:
            raise KeyMissing(f"No key signs {alg} at present.")
        return tokens.sign(claims, typ)

    def signs(self, alg: str) -> bool:
        """Whether a key of this very algorithm signs."""
        return alg in self._active

    def remote_algorithms(self) -> list[str]:
        """Return the algorithms whose active key signs outside this process."""
        return [alg for alg, tokens in self._active.items() if tokens.remote]

    def is_remote(self, alg: str) -> bool:
        """Whether `sign` calls another system, and should run outside the event loop."""
        tokens = self._signs(alg)
        return tokens is not None and tokens.remote

    def check(self) -> None:
        """Raise Unavailable or Misconfigured unless every active key signs."""
        for tokens in self._active.values():
            tokens.sign({})

    def is_stale(self, moment: int) -> bool:
        return moment - self._read_at > STALE_AFTER * SECOND

    def verify(self, token: str) -> dict[str, Any] | None:
        """Return the claims of an access token signed by one of our published keys, even if it has expired; otherwise
        None."""
        header, _, rest = token.encode("ascii", "replace").partition(b".")
        payload, _, signature = rest.partition(b".")
        tokens = self._by_header.get(header)
        return tokens.claims(header, payload, signature) if tokens else None

    def verify_past(self, token: str) -> dict[str, Any] | None:
        """Like `verify`, but keys that have left the JWKS count, too: a client may have kept an ID token for years.
        Revoked keys never count."""
        claims = self.verify(token)
        if claims is not None:
            return claims
        header, _, rest = token.encode("ascii", "replace").partition(b".")
        payload, _, signature = rest.partition(b".")
        removed = [key for key in self.signing_keys if key.state == "removed" and key.kid == kid_of(header)]
        opened = [AccessTokens(key.public, key.alg, None) for key in removed if key.alg in ALGORITHMS]
        verified = (tokens.claims(header, payload, signature) for tokens in opened if header in tokens.headers.values())
        return next(verified, None)

    def may_be_newer(self, token: str) -> bool:
        """Whether `token` may be signed by a key that this process has not read yet."""
        header = token.encode("ascii", "replace").partition(b".")[0]
        return header not in self._by_header and is_header(header)

    def refresh_key(self, id: str) -> bytes:
        """Return the secret of the refresh-token key `id`. Raises KeyMissing if this process has not read it yet."""
        key = self._refresh_secrets.get(id)
        if key is None:
            raise KeyMissing(f"This process has not read the refresh-token key {id} yet.")
        return key

    def newest_refresh_key_id(self, now: int) -> str:
        """Return the id of the key for new authorizations: the newest that every process has had time to read."""
        return refresh_key_schedule.newest(self._refresh_keys, now).id

    def attempt_keys(self, account: str, network: str, now: int) -> AttemptKeys:
        """Return the keys of the counters of attempts for this account and network."""
        return attempt_keys(self.refresh_key(self.newest_refresh_key_id(now)), account, network)

    def link_secret(self, link: Link) -> str:
        """Return the secret of a link that is sent to a person. Raises KeyMissing."""
        return links.render(link, self.refresh_key(link.refresh_key_id))

    def subject(self, client: Client, user_id: str) -> str:
        """Return the `sub` by which the client knows the user. Raises KeyMissing if this process has not read the key
        of pairwise subjects yet."""
        return self._name(client, "user", user_id)

    def sid(self, client: Client, session_id: bytes) -> str:
        """Return the `sid` by which the client knows the session. Raises KeyMissing like `subject`."""
        return self._name(client, "session", session_id.hex())

    def _name(self, client: Client, kind: str, id: str) -> str:
        if client.subject_type == "public":
            return id
        if self._subject_secret is None:
            raise KeyMissing("This process has not read the key of pairwise subjects yet.")
        return subjects.pairwise(self._subject_secret, subjects.sector_of(client), kind, id)

    def user_code(self, code: DeviceCode) -> str:
        """Return the code that the user of this device types. Raises KeyMissing."""
        return user_code.render(code.hash, self.refresh_key(code.refresh_key_id))

    def user_code_macs(self, text: str) -> tuple[bytes, ...]:
        """Return the MACs by which the row of this user code may be found: it was made with any of the keys."""
        return tuple(user_code.index_mac(text, key) for key in self._refresh_secrets.values())

    def _signs(self, alg: str) -> AccessTokens | None:
        """Until another algorithm's first key has been published for the lead time, the default algorithm's key signs
        in its place."""
        return self._active.get(alg) or self._active.get(DEFAULT)

    def _opened(self, key: SigningKey) -> AccessTokens:
        return AccessTokens(key.public, key.alg, self._private.open(key))

    def _publish(self, published: list[SigningKey]) -> None:
        self.jwks = {
            "keys": [{name: key.public[name] for name in PUBLISHED if name in key.public} for key in published]
        }
        self.jwks_document = json.dumps(self.jwks).encode()


def _place(key: SigningKey) -> tuple[int, bool]:
    """The sort key that puts the active key first in the JWKS, for verifiers that use only the first key."""
    return _PUBLISHED.index(key.state), key.alg != DEFAULT
