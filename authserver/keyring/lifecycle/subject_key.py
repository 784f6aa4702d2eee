"""Creates the key of pairwise subjects, within the caller's transaction."""

from hashlib import sha256

from ...domain.models import SubjectKey
from ..envelope import KeyEncryptionKeys


def new_subject_key(keks: KeyEncryptionKeys, key: bytes, now: int) -> SubjectKey:
    id = "subject-" + sha256(b"authserver subject key id" + key).hexdigest()[:16]
    return SubjectKey(id, keks.wrap(id, key), now)
