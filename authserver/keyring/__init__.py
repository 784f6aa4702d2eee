"""The keys of the server.

signer.py defines what signs and where private keys may be: database_keys.py stores them in the database, wrapped under
the key-encryption keys of files.py and envelope.py; pkcs11.py leaves them in a hardware security module; key_store.py
combines both. jwt.py makes the tokens of one key, and keyring.py uses all keys. lifecycle/ has every change of their
state.
"""

from .envelope import KeyEncryptionKeys
from .key_store import KeyStore
from .keyring import Keyring

__all__ = ["KeyEncryptionKeys", "Keyring", "KeyStore"]
