"""Kills the server under load (kill -9): each change must have its event in the audit trail, each event its change.

Clients log in, and end their authorizations: by a revocation, by presenting a refresh token again, or by one login too
many. One node at a time is killed at a random moment. After each kill, one statement reads the authorizations and the
audit trail. Every authorization must have one event for its login, every authorization that has ended must have one
event that says how, and there must be no other events of these kinds.

    python3 scripts/bench/proofs/audit_crash.py                          100 kills on SQLite
    python3 scripts/bench/proofs/audit_crash.py --database postgresql    of two nodes in turn
    python3 scripts/bench/proofs/audit_crash.py --naive                  plants a fault: events written after the commit
"""

import argparse
import asyncio
import random
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path
from time import monotonic

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from scripts.bench.arguments import add_arguments, nodes_of, use_venv
from tests.harness.constants import LONG
from tests.harness.databases import Rows
from tests.harness.http_client import Connection, Response, connect, post, refresh, run
from tests.harness.mutants import AFTERWARDS
from tests.harness.server import Server, log_in, set_up

SETTINGS = {"MAX_AUTHORIZATIONS": "2", "REFRESH_RETRY_WINDOW": "0"}
_EVENTS = {
    "login": None,
    "revoked": "revoked",
    "refresh_token_reused": "reuse",
    "authorization_ended_by_limit": "too_many",
}
"""The events that are compared; for each that reports the end of an authorization, its `revoked_reason`."""
_BOTH = f"""
SELECT 'row', id, revoked_reason FROM authorizations
UNION ALL SELECT event, authorization_id, NULL FROM events WHERE event IN ({", ".join(f"'{name}'" for name in _EVENTS)})
"""
_PATIENCE = 0.05  # seconds before a client tries another node


async def act_until(enough: asyncio.Event, server: Server, done: Counter[str]) -> None:
    """Log in and end the authorization, again and again, at whichever node responds. Counts the rounds in `done`."""
    while not enough.is_set():
        with suppress(OSError):
            connection = await connect(random.choice(server.ports))
            with closing(connection):
                while not enough.is_set():
                    await _live(connection, server.client_id)
                    done["lives"] += 1
        await asyncio.sleep(_PATIENCE)


async def _live(connection: Connection, client_id: str) -> None:
    first = (await connection.ask(log_in(client_id))).refresh_token
    if first is None:
        await asyncio.sleep(_PATIENCE)  # 503, or one login too many by another client
        return
    second = (await connection.ask(refresh(client_id, first))).refresh_token
    if second and (ending := random.choice((_revoke, _reuse, None))):
        await ending(connection, client_id, first)


async def _revoke(connection: Connection, client_id: str, token: str) -> Response:
    return await connection.ask(post("/revoke", {"client_id": client_id, "token": token}))


async def _reuse(connection: Connection, client_id: str, token: str) -> Response:
    return await connection.ask(refresh(client_id, token))


def faults(rows: Rows) -> tuple[list[str], Counter[str]]:
    """Return what is missing or too many, and how many events there are of each kind."""
    reasons: dict[bytes, str | None] = {}
    recorded: Counter[tuple[str, bytes]] = Counter()
    for kind, id, reason in rows.select(_BOTH):
        if kind == "row":
            reasons[bytes(id)] = reason
        else:
            recorded[kind, bytes(id)] += 1
    expected = Counter({("login", id): 1 for id in reasons})
    by_reason = {reason: name for name, reason in _EVENTS.items() if reason}
    expected.update((by_reason[reason], id) for id, reason in reasons.items() if reason)
    missing = [f"authorization {id.hex()} has no event {name}" for name, id in expected - recorded]
    return missing + [
        f"authorization {id.hex()} has an event {name} too many" for name, id in recorded - expected
    ], Counter(name for name, _ in recorded.elements())


async def kill_once(server: Server, asked: argparse.Namespace) -> None:
    """Kill one node under load. Afterwards, no request is in progress at the others."""
    enough, done, node = asyncio.Event(), Counter[str](), random.choice(server.nodes)
    load = [asyncio.create_task(act_until(enough, server, done)) for _ in range(asked.clients)]
    async with asyncio.timeout(LONG):
        while done["lives"] < asked.lives:  # noqa: ASYNC110
            await asyncio.sleep(_PATIENCE)
    await asyncio.sleep(random.uniform(0, asked.within))
    await asyncio.to_thread(node.kill)
    enough.set()
    await asyncio.gather(*load)


def _few(kinds: Counter[str], asked: argparse.Namespace) -> list[str]:
    return [
        f"only {kinds[name]} events {name}: too few to prove anything" for name in _EVENTS if kinds[name] < asked.least
    ]


def try_kills(server: Server, asked: argparse.Namespace) -> tuple[list[str], list[str]]:
    """Return the faults, and what there was too little of to prove anything."""
    wrong, kinds, kills, until = list[str](), Counter[str](), 0, monotonic() + asked.minutes * 60
    while (kills < asked.kills or _few(kinds, asked)) and monotonic() < until and not wrong:
        for node in server.nodes:
            if not node.is_running:
                node.launch()
        for node in server.nodes:
            node.wait_until_ready()
        run(kill_once(server, asked))
        is_running = any(node.is_running for node in server.nodes)
        with closing(server.database.rows()) if is_running else server.database.rows_after_crash() as rows:
            wrong, kinds = faults(rows)
        kills += 1
    server.kill()
    print(f"kills                             {kills:8}")
    for name in _EVENTS:
        print(f"{name:32}  {kinds[name]:8}")
    few = [f"only {kills} kills within {asked.minutes} minutes"] if kills < asked.kills else []
    return wrong, few + _few(kinds, asked)


def measure(server: Server, asked: argparse.Namespace) -> bool:
    wrong, few = try_kills(server, asked)
    for fault in wrong[:10] or few:
        print(f"    {fault}")
    print(f"{len(wrong)} FAULTS" if wrong else "no change without its event, no event without its change")
    return not wrong and not few


def look_for_plant(server: Server, asked: argparse.Namespace) -> bool:
    server.plant(AFTERWARDS)
    found, _ = try_kills(server, asked)
    print(f"{AFTERWARDS.what}\n    {f'seen: {found[0]}' if found else 'NOT SEEN: this proof is blind'}")
    return bool(found)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100, help="default 100")
    parser.add_argument("--clients", type=int, default=16, help="default 16")
    parser.add_argument(
        "--minutes", type=float, default=60, help="time limit; if it is reached, this fails (default 60)"
    )
    parser.add_argument("--lives", type=int, default=100, help="logins before each kill, at least (default 100)")
    parser.add_argument(
        "--within", type=float, default=0.5, help="seconds from then until the kill, at most (default 0.5)"
    )
    parser.add_argument("--least", type=int, default=100, help="events of each kind that are needed (default 100)")
    parser.add_argument("--naive", action="store_true", help="plant a fault; exit code 1 if it is not found")
    add_arguments(parser)
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    asked = parse(arguments)
    with suppress(KeyboardInterrupt), set_up(asked.database, nodes_of(asked), **SETTINGS) as server:
        return 0 if (look_for_plant if asked.naive else measure)(server, asked) else 1
    return 130


if __name__ == "__main__":
    use_venv()
    sys.exit(main())
