"""The keys under which attempts are counted: MACs, so that a copy of the database reveals neither names nor
networks."""

import hmac

from ..store.attempts import AttemptKeys

_LABEL = b"authserver attempt counters v1"
_NETWORK, _ACCOUNT = b"n", b"a"
_LENGTH = 16  # bytes


def attempt_keys(refresh_key: bytes, account: str, network: str) -> AttemptKeys:
    """Return the keys for this account and network.

    They are derived from the refresh-token key that new authorizations use, which all nodes share: counting begins
    again when that key is replaced."""
    key = hmac.digest(refresh_key, _LABEL, "sha256")
    of_account = _ACCOUNT + _mac(key, b"account", account)
    return AttemptKeys(
        account=of_account,
        pair=of_account + _mac(key, b"pair", f"{account}\0{network}"),
        network=_NETWORK + _mac(key, b"network", network),
    )


def _mac(key: bytes, kind: bytes, text: str) -> bytes:
    return hmac.digest(key, kind + b"\0" + text.encode(errors="surrogatepass"), "sha256")[:_LENGTH]
