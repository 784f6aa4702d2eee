"""Guessing client secrets: wrong ones slow the network that they come from, and never the client, whose right secret is
always accepted. A secret cannot be guessed, so counting in the memory of each process is enough."""

from collections import OrderedDict

from .attempts import AttemptLimits, Budget, Counters, Judgement, judge

MAX_NETWORKS = 10_000
"""Beyond that, the network whose last wrong secret is oldest is forgotten, so that memory stays bounded."""


class WrongSecrets:
    def __init__(self, budget: Budget | None) -> None:
        """`budget` is each network's; None counts nothing."""
        self._limits = AttemptLimits(account=None, network=budget)
        self._clears_at: OrderedDict[str, int] = OrderedDict()

    def __len__(self) -> int:
        """Return how many networks are remembered."""
        return len(self._clears_at)

    def count(self, network: str, now: int) -> Judgement:
        """Count a wrong secret from the network at `now` (microseconds), unless the network must wait already."""
        judged = judge(Counters(self._clears_at.get(network, 0)), self._limits, now)
        if judged.counters is not None:
            self._remember(network, judged.counters.network)
        return judged

    def _remember(self, network: str, clears_at: int) -> None:
        self._clears_at[network] = clears_at
        self._clears_at.move_to_end(network)
        if len(self._clears_at) > MAX_NETWORKS:
            self._clears_at.popitem(last=False)
