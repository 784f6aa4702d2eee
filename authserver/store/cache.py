"""Rows that may be a few seconds old: clients, which every request names and which hardly ever change."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from ..domain.models import SECOND
from .database import Database, Loader

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Cache(Generic[K, V]):
    """What was found is kept for `seconds`; what was not found is asked for anew, so that new rows count at once."""

    def __init__(
        self,
        database: Database,
        loader: Loader[K, V],
        steady: Callable[[], int],
        *,
        seconds: int = 5,
        size: int = 10_000,
    ) -> None:
        self._database, self._loader, self._steady = database, loader, steady
        self._kept_for, self._size = seconds * SECOND, size
        self._rows: OrderedDict[K, tuple[V, int]] = OrderedDict()

    async def get(self, key: K, *, anew: bool = False) -> V | None:
        """`anew` for who found out that what is kept is too old. Raises Unavailable."""
        row, now = self._rows.get(key), self._steady()
        if row is not None and not anew and now - row[1] < self._kept_for:
            return row[0]
        return self._keep(key, await self._database.load(self._loader, key), now)

    def peek(self, key: K) -> V | None:
        """What is kept, however old."""
        row = self._rows.get(key)
        return row[0] if row is not None else None

    def _keep(self, key: K, value: V | None, asked_at: int) -> V | None:
        self._rows.pop(key, None)
        if value is not None:
            self._rows[key] = (value, asked_at)
            if len(self._rows) > self._size:
                self._rows.popitem(last=False)
        return value
