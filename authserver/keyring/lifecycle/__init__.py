"""Changes the keys' state: lifecycle.py commits what the schedule says is due and what an operator asks for."""

from .lifecycle import Lifecycle, TooEarly

__all__ = ["Lifecycle", "TooEarly"]
