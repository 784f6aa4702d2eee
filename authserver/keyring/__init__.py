"""The keys of the server.

signer.py defines the interfaces for signing and for storing private keys: database_keys.py stores them in the
database, wrapped under the key-encryption keys of files.py and envelope.py; pkcs11.py leaves them in a hardware
security module; key_store.py combines both. jwt.py signs and verifies tokens with one key, keyring.py with all of
them; token_signer.py calls it outside the event loop where it would block. lifecycle/ contains every change of their
state.
"""

from .envelope import KeyEncryptionKeys
from .key_store import KeyStore
from .keyring import Keyring

__all__ = ["KeyEncryptionKeys", "Keyring", "KeyStore"]
