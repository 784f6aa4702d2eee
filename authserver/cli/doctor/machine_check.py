"""Checks what the machine can do: how long it takes to check a password, and how many processes should serve."""

from collections.abc import Callable
from statistics import median

from ... import cpu
from ...domain.times import counted
from ...passwords import COST, PasswordHasher, threads
from .finding import INFO, OK, WARNING, Finding, or_ok

PASSWORDS, WORKERS = "passwords", "workers"
_ROUNDS = 3
_SLOW, _FAST = 500, 5  # milliseconds
_MIB = 1024 * 1024
_MEMORY = COST[1] * 1024
"""Bytes that one check of a password takes."""


def check_passwords(cpu_time: Callable[[], int], memory: int | None, workers: int) -> list[Finding]:
    """Measure the hash of a password. `cpu_time` returns microseconds; `memory` is what is free, in bytes; None if
    that is unknown."""
    hasher, took = PasswordHasher(), list[float]()
    for _ in range(_ROUNDS):
        began = cpu_time()
        hasher.hash("the password of nobody")
        took.append((cpu_time() - began) / 1000)
    hasher.close()
    milliseconds = round(median(took))
    needs = workers * threads(workers) * _MEMORY
    findings = [*_speed(milliseconds), *_memory(needs, memory)]
    well = f"Checking a password takes {milliseconds} ms and {_MEMORY // _MIB} MiB (Argon2id)."
    return or_ok(PASSWORDS, findings, well)


def _speed(milliseconds: int) -> list[Finding]:
    if milliseconds > _SLOW:
        text = f"Checking a password takes {milliseconds} ms on this machine: it can serve few logins."
        return [Finding(PASSWORDS, WARNING, text, "Use a faster machine, or one that has less to do.")]
    if milliseconds < _FAST:
        text = f"Checking a password takes {milliseconds} ms on this machine, and so does guessing one offline."
        return [Finding(PASSWORDS, INFO, text, "Raise AUTHSERVER_PASSWORD_MIN_LENGTH.")]
    return []


def _memory(needs: int, memory: int | None) -> list[Finding]:
    if memory is None or needs * 2 < memory:
        return []
    text = f"Password checks may need {needs // _MIB} MiB at once, and {memory // _MIB} MiB are free."
    return [Finding(PASSWORDS, WARNING, text, "Start fewer workers, or add memory.")]


def check_workers(workers: int) -> list[Finding]:
    """Compare the number of workers with the CPUs that this process may use."""
    if workers > 2 * cpu.available():
        text = f"{counted(workers, 'worker')} share {counted(cpu.available(), 'CPU')}: more would only cost memory."
        return [Finding(WORKERS, WARNING, text, f"authserver serve --workers {cpu.available()}")]
    if workers < cpu.available():
        text = f"{counted(workers, 'worker')} can use {workers} of {counted(cpu.available(), 'CPU')}."
        return [Finding(WORKERS, INFO, text, f"If that is too slow: authserver serve --workers {cpu.available()}")]
    return [Finding(WORKERS, OK, f"{counted(workers, 'worker')} for {counted(cpu.available(), 'CPU')}.")]


def free_memory() -> int | None:
    """Return the bytes that new processes can use; None where the system does not tell."""
    try:
        with open("/proc/meminfo", encoding="ascii") as lines:
            free = next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration, ValueError):
        return None
    return free * 1024
