"""The keys of the server.

files.py and sealing.py hold the key-encryption keys, signer.py is one signing key, keyring.py all of them at work,
first.py makes keys, lifecycle.py changes their state in the database.
"""

from .keyring import Keyring
from .sealing import KeyEncryptionKeys

__all__ = ["KeyEncryptionKeys", "Keyring"]
