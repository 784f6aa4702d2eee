"""Blocks SIGHUP until the server can handle it, so that it is never lost, kills no process and interrupts nothing.

If only the main thread blocked it, the kernel would deliver it to another thread. Threads and child processes inherit
the mask, so SIGHUP is blocked before there are any, and stays blocked.
"""

import signal
import sys

_SIGHUP = {signal.SIGHUP}


def hold() -> None:
    """Call this before any thread starts. In a terminal SIGHUP keeps its default effect: the terminal was closed, and
    nobody would notice a server that kept running."""
    if sys.stdin is None or not sys.stdin.isatty():
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGHUP)
        signal.signal(signal.SIGHUP, signal.SIG_DFL)  # nohup ignores it, and some systems drop ignored signals


def handle_held() -> None:
    """Run the handler of a pending SIGHUP, now and in this thread."""
    if signal.SIGHUP in signal.sigpending():
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGHUP)
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGHUP)


def is_held() -> bool:
    return signal.SIGHUP in signal.pthread_sigmask(signal.SIG_BLOCK, ())
