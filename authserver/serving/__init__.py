"""The server's processes: uvicorn, sockets, connections and signals.

listening.py       opens the listening socket             connection.py, framing.py   read requests from one connection
sighup.py          keeps SIGHUP until it can be handled   limit.py                    limits the connections
draining.py        stops without losing a request         processes.py                runs one process or several
configuration.py   configures uvicorn and its workers     management.py               serves the management address

This file imports nothing, because `sighup.hold()` must run before anything that may start a thread is imported.
"""
