"""The keys of the server.

signer.py says what signs and where private keys may be: sealed.py keeps them in the database, under the key-encryption
keys of files.py and sealing.py, pkcs11.py in a hardware security module. jwt.py makes the tokens of one key, keyring.py
has all of them at work, first.py makes the first ones, lifecycle.py changes their state in the database.
"""

from .envelope import KeyEncryptionKeys
from .key_store import KeyStore
from .keyring import Keyring

__all__ = ["KeyEncryptionKeys", "Keyring", "KeyStore"]
