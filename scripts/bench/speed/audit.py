"""Measures what an event in the audit trail costs: the CPU time of a transaction with events, minus that without.

The same changes are committed in turn with an event each and without, to a SQLite file, in groups of several sizes. The
last column shows the cost as a share of one RSA-2048 signature on the same core, which each token costs anyway.

    .venv/bin/python scripts/bench/speed/audit.py
"""

import argparse
import statistics
import sys
import tempfile
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from time import process_time

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256

from authserver.domain.audit import AuditRecord
from authserver.store import migrations, signing_keys
from authserver.store.changes import Change
from authserver.store.database import Database
from authserver.store.group_commit import commit
from authserver.system import new_id, now

_SIZES = (1, 8, 32)
HOUR = 3600 * 1_000_000


def change(audited: bool) -> Change:
    """Return the smallest change that a request makes: the revocation of an access token."""
    jti, subject, authorization_id = (new_id().hex() for _ in range(3))
    actor = f"user:u_{subject}"
    record = AuditRecord(
        "access_token_denied", actor, "success", "ada", subject, "app", authorization_id, "192.0.2.0/24", f"jti {jti}"
    )
    return replace(signing_keys.deny(jti, now() + HOUR), records=(lambda: [record]) if audited else None)


def seconds(database: Database, size: int, audited: bool) -> float:
    """Return the CPU time of the transaction of one group."""
    group = [change(audited) for _ in range(size)]
    began = process_time()
    assert all(outcome is True for outcome in commit(database._engine, group, now))
    return process_time() - began


def signature() -> float:
    key, times = rsa.generate_private_key(65537, 2048), []
    for _ in range(300):
        began = process_time()
        key.sign(b"a token", PKCS1v15(), SHA256())
        times.append(process_time() - began)
    return statistics.median(times)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--groups", type=int, default=1000, help="groups of each size, with events and without (default 1,000)"
    )
    asked = parser.parse_args(arguments)
    signs = signature()
    with tempfile.TemporaryDirectory() as folder, closing(Database(f"sqlite:///{folder}/a.db", now)) as database:
        with database.begin() as connection:
            migrations.upgrade(connection)
        print(f"{'events in a group':>18}{'us an event':>14}{'of a signature':>17}")
        for size in _SIZES:
            pairs = [[seconds(database, size, audited) for audited in (True, False)] for _ in range(asked.groups)]
            with_events, without = (statistics.median(times) for times in zip(*pairs, strict=True))
            cost = (with_events - without) / size
            print(f"{size:>18}{cost * 1e6:>14.1f}{cost / signs:>17.0%}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
