"""The audit records of a change of the keys: one for each row that it wrote."""

from ...domain.audit import AuditRecord, detail
from ...domain.key_schedule import Keys
from ...domain.models import SigningKey

_CHANGES = {"pending": "publish", "active": "promote", "retired": "retire", "removed": "remove", "revoked": "revoke"}
"""The change that leads to a state, as `keys` commands and the log call it."""


def key_changes(actor: str, before: Keys, changed: Keys) -> list[AuditRecord]:
    """Return the records of the rows whose state or private part changed."""
    by_kid = {key.kid: key for key in before}
    changes = ((_change(by_kid.get(key.kid), key), key) for key in changed)
    return [
        key_record("key_changed", actor, change=change, alg=key.alg, kid=key.kid) for change, key in changes if change
    ]


def key_record(event: str, actor: str, **fields: object) -> AuditRecord:
    return AuditRecord(event, actor, detail=detail({name: str(value) for name, value in fields.items()}))


def _change(before: SigningKey | None, after: SigningKey) -> str | None:
    if before is None or before.state != after.state:
        return "publish" if before is None and after.state == "retired" else _CHANGES[after.state]
    return "destroy" if before.wrapped and after.wrapped is None else None
