"""A bounded cache of the most recently used values."""

from collections import OrderedDict
from contextlib import suppress
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Lru(Generic[K, V]):
    """Holds at most `size` values, and drops the least recently used one first.

    It is thread-safe without a lock: each call of an OrderedDict with keys of str or bytes is atomic, and any order of
    the calls is valid. A lock that another thread holds during a fork would stay locked in the child for ever.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._values: OrderedDict[K, V] = OrderedDict()

    def get(self, key: K) -> V | None:
        value = self._values.get(key)
        if value is not None:
            try:  # noqa: SIM105 - contextlib.suppress takes seven times as long
                self._values.move_to_end(key)
            except KeyError:  # another thread has just dropped it
                pass
        return value

    def put(self, key: K, value: V) -> None:
        self._values[key] = value
        if len(self._values) > self._size:
            with suppress(KeyError):  # other threads have just dropped everything
                self._values.popitem(last=False)

    def drop(self, key: K) -> None:
        self._values.pop(key, None)

    def __len__(self) -> int:
        return len(self._values)
