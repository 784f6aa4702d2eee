"""The server's processes: uvicorn, sockets, connections and signals.

listening.py   where it listens               connection.py, framing.py   one TCP connection, one request after another
sighup.py      SIGHUP is never lost           limit.py                    how many connections
draining.py    stopping loses no request      processes.py                one process, or several workers
configuration.py   what each worker runs

This file imports nothing, because `sighup.hold()` must run before anything that may start a thread is imported.
"""
