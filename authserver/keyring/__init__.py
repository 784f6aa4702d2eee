"""The keys of the server: files.py (key-encryption keys), sealing.py, signer.py, keyring.py (sign, publish), first.py."""

from .keyring import Keyring
from .sealing import KeyEncryptionKeys

__all__ = ["KeyEncryptionKeys", "Keyring"]
