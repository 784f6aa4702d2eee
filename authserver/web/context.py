"""The parts of the server that the routes need."""

from collections.abc import Callable
from dataclasses import dataclass

from starlette.types import ASGIApp

from ..domain.forwarded import TrustedProxies
from ..keyring import Keyring
from ..pipeline.pipeline import Pipeline
from ..store.cache import Cache
from ..store.database import Database
from .browser.templates import Templates
from .malformed import MalformedRequests


@dataclass(frozen=True, slots=True)
class AppContext:
    issuer: str
    jwks_max_age: int
    first_party_api: bool
    pipeline: Pipeline
    database: Database
    keyring: Keyring
    now: Callable[[], int]
    steady: Callable[[], int]
    new_id: Callable[[], bytes]
    malformed: MalformedRequests
    trusted_proxies: TrustedProxies
    web_origins: Cache[None, frozenset[str]]
    templates: Templates
    observers: tuple[Callable[[ASGIApp], ASGIApp], ...] = ()
    """Each wraps the application in a middleware that sees every request and response."""
