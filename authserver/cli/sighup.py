"""SIGHUP waits in the kernel until the server can handle it: it is never lost, kills no process and interrupts nothing.

Blocked in the main thread alone it would not wait: the kernel gives a process's signal to any thread that does not
block it. Threads and child processes inherit what is blocked; so it is blocked before there are any, and for good.
"""

import signal
import sys

_SIGHUP = {signal.SIGHUP}


def hold() -> None:
    """Call this first. In a terminal SIGHUP keeps its effect: it says that the terminal was closed, and nobody would
    know of a server that went on."""
    if sys.stdin is None or not sys.stdin.isatty():
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGHUP)
        signal.signal(signal.SIGHUP, signal.SIG_DFL)  # nohup has it ignored, and some systems drop what is ignored


def handle_held() -> None:
    """Runs the handler of a SIGHUP that waits, now and in this thread."""
    if signal.SIGHUP in signal.sigpending():
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGHUP)
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGHUP)


def is_held() -> bool:
    return signal.SIGHUP in signal.pthread_sigmask(signal.SIG_BLOCK, ())
