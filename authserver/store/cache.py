"""A cache for rows that may be a few seconds old: clients, which every request needs and which hardly ever change."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from ..domain.models import SECOND
from .database import Database, Loader

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Cache(Generic[K, V]):
    """Rows are cached for `seconds`. A missing row is not cached, so that a new one is found at once."""

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

    async def get(self, key: K, *, refresh: bool = False) -> V | None:
        """The row of `key`, None if there is none. Pass `refresh=True` when the cached row proved stale. Raises
        Unavailable."""
        row, now = self._rows.get(key), self._steady()
        if row is not None and not refresh and now - row[1] < self._kept_for:
            return row[0]
        return self._keep(key, await self._database.load(self._loader, key), now)

    def peek(self, key: K) -> V | None:
        """The cached row, however old. None if there is none."""
        row = self._rows.get(key)
        return row[0] if row is not None else None

    def _keep(self, key: K, value: V | None, asked_at: int) -> V | None:
        self._rows.pop(key, None)
        if value is not None:
            self._rows[key] = (value, asked_at)
            if len(self._rows) > self._size:
                self._rows.popitem(last=False)
        return value
