"""Limits what each network may do, in the memory of one process: sending wrong client secrets, and beginning sign-ins.

Counters in memory are enough for these. A secret cannot be guessed, and a sign-in that was begun still needs a
password, whose attempts are counted in the database.
"""

from collections import OrderedDict

from .attempts import AttemptLimits, Budget, Counters, Judgement, judge

MAX_NETWORKS = 10_000
"""Beyond that, the network that was counted last the longest ago is forgotten, so that memory stays bounded."""


class NetworkLimit:
    def __init__(self, budget: Budget | None) -> None:
        """`budget` is each network's; None counts nothing."""
        self._limits = AttemptLimits(account=None, network=budget)
        self._clears_at: OrderedDict[str, int] = OrderedDict()

    def __len__(self) -> int:
        """Return how many networks are remembered."""
        return len(self._clears_at)

    def count(self, network: str, now: int) -> Judgement:
        """Count one more from the network at `now` (microseconds), unless the network must wait already."""
        judged = judge(Counters(self._clears_at.get(network, 0)), self._limits, now)
        if judged.counters is not None:
            self._remember(network, judged.counters.network)
        return judged

    def _remember(self, network: str, clears_at: int) -> None:
        self._clears_at[network] = clears_at
        self._clears_at.move_to_end(network)
        if len(self._clears_at) > MAX_NETWORKS:
            self._clears_at.popitem(last=False)
