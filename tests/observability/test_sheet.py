"""The sheet is shared with processes that are spawned, and a row goes on after its process was killed."""

import os
import signal
from multiprocessing import get_context

from authserver.observability import metrics
from authserver.observability.sheet import Sheet, place

CELL = place(metrics.CONFLICTS)


def add(sheet: Sheet, times: int) -> None:
    row = sheet.claim()
    row.say_alive(1)
    row.numbers[CELL] += times
    if times % 2:
        os.kill(os.getpid(), signal.SIGKILL)


def test_the_next_process_continues_the_row_of_one_that_was_killed() -> None:
    sheet, spawn = Sheet(), get_context("spawn")
    for times, code in ((1001, -signal.SIGKILL), (500, 0)):
        process = spawn.Process(target=add, args=(sheet, times))
        process.start()
        process.join()
        assert process.exitcode == code
    assert [(number, row[CELL]) for number, row in sheet.used()] == [(0, 1501)]


def test_processes_that_live_at_once_have_rows_of_their_own() -> None:
    sheet, spawn = Sheet(), get_context("spawn")
    sheet.claim().say_alive(1)
    process = spawn.Process(target=add, args=(sheet, 2))
    process.start()
    process.join()
    assert [(number, row[CELL]) for number, row in sheet.used()] == [(0, 0), (1, 2)]
