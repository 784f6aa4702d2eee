"""Whether a redirect URI is one that the client registered: compared as text, apart from a loopback port."""

import re

from .models import Client

# RFC 8252 s7.3 is about loopback IP addresses. s8.3: the use of "localhost" is NOT RECOMMENDED, so its port is fixed.
_LOOPBACK = re.compile(r"(http://(?:127\.0\.0\.1|\[::1\]))(?::([1-9][0-9]{0,4}))?([/?][\x21-\x7e]*)?")


def is_registered(uri: str, client: Client) -> bool:
    """Whether the client may be answered at `uri`.

    RFC 9700 s4.1.3: MUST utilize exact string matching, except for port numbers in localhost redirection URIs of native
    apps."""
    if uri in client.redirect_uris:
        return True
    if client.application_type != "native":
        return False
    # RFC 8252 s7.3: MUST allow any port to be specified at the time of the request for loopback IP redirect URIs.
    without_port = _without_port(uri)
    return without_port is not None and without_port in map(_without_port, client.redirect_uris)


def _without_port(uri: str) -> str | None:
    """Return a loopback URI without its port; None for any other URI."""
    parts = _LOOPBACK.fullmatch(uri)
    if parts is None or int(parts[2] or 1) > 65535:
        return None
    return parts[1] + (parts[3] or "")
