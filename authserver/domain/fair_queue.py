"""A queue that serves senders in turn, however much each one sends."""

from collections import deque
from collections.abc import Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class FairQueue(Generic[T]):
    """Items wait in one line for each sender, and the lines are served in turn (round robin)."""

    def __init__(self) -> None:
        self._lines: dict[Hashable, deque[T]] = {}  # the line whose turn it is comes first; none is empty
        self._size = 0

    def __len__(self) -> int:
        return self._size

    @property
    def longest(self) -> int:
        """The length of the longest line."""
        return max(map(len, self._lines.values()), default=0)

    def put(self, sender: Hashable, item: T) -> None:
        self._lines.setdefault(sender, deque()).append(item)
        self._size += 1

    def take(self) -> T:
        """Remove and return the first item of the sender whose turn it is. Raises StopIteration if there is none."""
        sender = next(iter(self._lines))
        line = self._lines.pop(sender)
        item = line.popleft()
        if line:
            self._lines[sender] = line
        self._size -= 1
        return item

    def drop(self) -> T:
        """Remove and return the last item of the longest line; of equally long lines, the one whose turn comes last.

        A sender alone may therefore fill the queue, but then makes way for any other. Raises ValueError if there is
        none."""
        longest = self.longest
        if not longest:
            raise ValueError("The queue is empty.")
        sender = next(sender for sender in reversed(self._lines) if len(self._lines[sender]) == longest)
        item = self._lines[sender][-1]
        self.remove(sender, item)
        return item

    def remove(self, sender: Hashable, item: T) -> bool:
        """Remove the item if it still waits. Returns whether it did."""
        line = self._lines.get(sender, ())
        if item not in line:
            return False
        self._lines[sender].remove(item)
        if not self._lines[sender]:
            del self._lines[sender]
        self._size -= 1
        return True


class PreferringQueue(Generic[T]):
    """Two fair queues: while both have items, each gives one in turn. So preferred items wait only for each other, and
    never keep the others from being served."""

    def __init__(self) -> None:
        self._preferred, self._others = FairQueue[T](), FairQueue[T]()
        self._is_others_turn = False

    def __len__(self) -> int:
        return len(self._preferred) + len(self._others)

    def put(self, sender: Hashable, item: T, *, preferred: bool = False) -> None:
        (self._preferred if preferred else self._others).put(sender, item)

    def take(self) -> T:
        """Remove and return the next item. Raises StopIteration if there is none."""
        from_others = not self._preferred or (self._is_others_turn and bool(self._others))
        self._is_others_turn = not from_others
        return (self._others if from_others else self._preferred).take()

    def drop(self) -> T:
        """Remove and return the last item of the longest line, as a fair queue does; of equally long lines, one of the
        others. Raises ValueError if there is none."""
        is_preferred = self._preferred.longest > self._others.longest
        return (self._preferred if is_preferred else self._others).drop()

    def remove(self, sender: Hashable, item: T) -> bool:
        """Remove the item if it still waits. Returns whether it did."""
        return self._preferred.remove(sender, item) or self._others.remove(sender, item)
