"""Outgoing HTTP: one guard for every request that the server sends."""

from .errors import FetchFailed
from .exchange import Response
from .fetcher import Fetcher

__all__ = ["FetchFailed", "Fetcher", "Response"]
