"""The subject by which a client knows a user: the `sub` of its tokens (OpenID Connect Core s8).

A pairwise subject is the same for all clients of one sector, and means nothing to others: two sectors cannot find out
from their subjects that they have the same user. Nor can they from `sid`, which differs by sector, too.
"""

import hmac
from urllib.parse import urlsplit

from . import base64url
from .hosts import is_loopback
from .models import Client

TYPES = ("public", "pairwise")
_LABEL = b"authserver pairwise subject v1"


def sector_of(client: Client) -> str:
    """Return the host that names the client's sector; "" if its registration names none.

    s8.1: if there are multiple hostnames in the registered redirect_uris, the Client MUST register a
    sector_identifier_uri."""
    uris = (client.sector_identifier_uri,) if client.sector_identifier_uri else client.redirect_uris
    hosts = {_host_of(uri) for uri in uris}
    return hosts.pop() if len(hosts) == 1 else ""


def _host_of(uri: str) -> str:
    """Return the host; "" for a loopback address or an app's own scheme, which any app there can use."""
    parts = urlsplit(uri)
    host = parts.hostname or ""
    return host if parts.scheme == "https" and not is_loopback(host) else ""


def pairwise(key: bytes, sector: str, kind: str, id: str) -> str:
    """Return the id by which a sector knows the `user` or the `session` (`kind`) with this `id`.

    s8.1: the Subject Identifier value MUST NOT be reversible by any party other than the OpenID Provider."""
    return base64url.encode(
        hmac.digest(key, b"\0".join((_LABEL, sector.encode(), kind.encode(), id.encode())), "sha256")
    )
