"""A clock that runs faster than time, and is the same in all processes of a run."""

from dataclasses import dataclass
from time import CLOCK_MONOTONIC, clock_gettime_ns, time_ns

VARIABLE = "BENCH_CLOCK"
"""Of the environment: which clock."""


@dataclass(frozen=True)
class Clock:
    """Microseconds since 1970: true when it began, and `scale` times as fast from then on."""

    scale: float
    began: int
    """Microseconds since 1970."""
    steady: int
    """What the steady clock, which all processes of a machine share, said then; nanoseconds."""

    @classmethod
    def begin(cls, scale: float) -> "Clock":
        return cls(scale, time_ns() // 1000, clock_gettime_ns(CLOCK_MONOTONIC))

    def at_scale(self, scale: float) -> "Clock":
        """Continue from now at another speed."""
        return Clock(scale, self(), clock_gettime_ns(CLOCK_MONOTONIC))

    @classmethod
    def read(cls, text: str) -> "Clock":
        scale, began, steady = text.split()
        return cls(float(scale), int(began), int(steady))

    def __str__(self) -> str:
        return f"{self.scale} {self.began} {self.steady}"

    def __call__(self) -> int:
        return self.began + int((clock_gettime_ns(CLOCK_MONOTONIC) - self.steady) * self.scale) // 1000

    def seconds(self) -> float:
        return self() / 1_000_000
