"""Stores digests of the settings that the server last ran with, so that a change is noticed. Secrets are left out."""

import json
from collections.abc import Mapping

from sqlalchemy import Connection, select

from . import upsert
from .schema import settings_seen as table


def replace(connection: Connection, digests: Mapping[str, str]) -> list[str]:
    """Store the digests of the present settings, by name. Returns the names of those that differ from the last ones;
    none if there are no last ones."""
    last = connection.execute(select(table.c.digests)).scalar()
    new = upsert.insert(connection, table).values(id=1, digests=json.dumps(digests))
    # One statement, because two nodes that start at once may both find no row.
    changed = {"digests": new.excluded.digests}
    connection.execute(new.on_conflict_do_update(index_elements=[table.c.id], set_=changed))
    seen: dict[str, str] = json.loads(last) if last else dict(digests)
    return [name for name, digest in digests.items() if seen.get(name, digest) != digest]
