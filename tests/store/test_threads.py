"""The database's threads never keep a process alive, whatever hangs in them."""

import subprocess
import sys
from threading import Event

from authserver.store.threads import Threads

HANGS = """
from threading import Event
from authserver.store import threads
threads._SHUTDOWN_TIMEOUT = 0
hanging = threads.Threads("hanging", 1)
begun = Event()
hanging.submit(lambda: (begun.set(), Event().wait()))
begun.wait()
hanging.close()
print("closed")
"""


def test_a_process_ends_although_a_thread_hangs() -> None:
    done = subprocess.run([sys.executable, "-c", HANGS], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "closed\n"), done.stderr


def test_what_has_begun_ends_before_they_are_closed() -> None:
    threads, begun, ended = Threads("ends", 1), Event(), []

    def work() -> None:
        begun.set()
        ended.append(True)

    threads.submit(work)
    begun.wait(60)
    threads.close()
    assert ended == [True]
