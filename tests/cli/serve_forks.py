"""Servers that start in a tenth of the time, for the tests: forks of a process that has imported everything.

For each line on stdin one on stdout: "serve PORT FOLDER" serves what is in FOLDER and answers with the process's id;
"kill ID" ends that process with SIGKILL, and answers when it is gone. They all go when stdin ends.
"""

import os
import signal
import sys

import uvicorn.protocols.http.httptools_impl  # noqa: F401

import authserver.app
import authserver.cli.serve  # noqa: F401
from authserver.cli import main


def serve(port: str, folder: str) -> int:
    pid = os.fork()
    if not pid:
        os.chdir(folder)
        quiet = os.open(os.devnull, os.O_RDWR)
        for stream in range(3):
            os.dup2(quiet, stream)
        try:
            main(["serve", "--port", port])
        finally:
            os._exit(1)  # what stands below is the parent's to do
    return pid


def kill(pid: int) -> int:
    os.kill(pid, signal.SIGKILL)
    return os.waitpid(pid, 0)[0]


running: set[int] = set()
try:
    for line in sys.stdin:
        wish, *arguments = line.split()
        if wish == "serve":
            running.add(pid := serve(*arguments))
        else:
            running.discard(pid := kill(int(arguments[0])))
        print(pid, flush=True)
finally:
    for pid in running:
        kill(pid)
