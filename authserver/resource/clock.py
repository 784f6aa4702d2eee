"""The default clocks of the guard.

`authserver.resource` stands alone: it may be installed beside an API that has nothing else of authserver, so it cannot
take the time from `authserver.system`. Everything in it takes a clock as an argument; only the defaults come from here.
"""

from time import monotonic, time  # noqa: TID251 - see above

__all__ = ["monotonic", "time"]
