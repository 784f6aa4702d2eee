"""Serve the demo application on a socket that is handed over. `scripts/quickstart.py` starts it.

It ends when its standard input does: the process that started it holds the other end of that pipe, which closes when
that process ends.
"""

import argparse
import json
import os
import socket
import sys
import threading
from pathlib import Path

import uvicorn

from scripts.demo.app import Demo


def end_with_parent() -> None:
    sys.stdin.buffer.read()
    os._exit(0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fd", type=int, required=True, help="a socket that listens")
    parser.add_argument("--url", required=True, help="where it listens")
    parser.add_argument("--issuer", required=True, help="the authorization server")
    parser.add_argument("--client", type=Path, required=True, help="JSON file with web_client_id and web_client_secret")
    chosen = parser.parse_args()
    threading.Thread(target=end_with_parent, daemon=True).start()
    client = json.loads(chosen.client.read_text())
    demo = Demo(chosen.url, chosen.issuer, client["web_client_id"], client["web_client_secret"])
    config = uvicorn.Config(demo.app(), log_level="warning", lifespan="off", access_log=False)
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=chosen.fd)])


main()
