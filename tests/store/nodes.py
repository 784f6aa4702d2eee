"""Two nodes of the server on one database, without the rest of the server."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

from authserver.store.changes import Change
from authserver.store.database import Database
from tests.store.conftest import together

Rounds = Iterable[Sequence[Sequence[Change]]]


def two_nodes(
    run: Callable[[Awaitable[Any]], Any],
    url: str,
    clock: Callable[[], int],
    rounds: Rounds,
    watch: Callable[[Database], object] | None = None,
) -> list[Any]:
    """The outcomes of each round, in which two nodes are asked at once, each for the changes that the round has for it.

    `watch` gets each node before it is asked.
    """
    nodes = [Database(url, clock), Database(url, clock)]
    for node in nodes if watch else ():
        watch(node)  # type: ignore[misc]
    try:
        answers: list[Any] = run(_ask(nodes, rounds))
        return answers
    finally:
        for node in nodes:
            node.close()


async def _ask(nodes: Sequence[Database], rounds: Rounds) -> list[Any]:
    return [
        await asyncio.gather(
            *(together(map(node.write, changes)) for node, changes in zip(nodes, changes_of_both, strict=True))
        )
        for changes_of_both in rounds
    ]
