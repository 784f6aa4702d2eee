"""Links that are sent to people: the form of their secrets, and when a link works. A secret is lk_ and the base64url of
the id and a MAC, 48 bytes in all.

48 bytes fill 64 characters exactly, so each secret has only one encoding. Secrets are recomputed, never stored.
"""

import hmac
import re

from . import base64url
from .models import SECOND, Link, LinkKind, User

PREFIX = "lk_"
LIFETIME = 1800
"""Seconds for which a link works. docs/ say 30 minutes; all other texts get the number from MINUTES."""
MINUTES = LIFETIME // 60
_FORM = re.compile(r"lk_[A-Za-z0-9_-]{64}")
_LABEL = b"authserver links v1"
_ID_LENGTH = 16  # bytes
PATHS = {
    LinkKind.RESET: "/reset/password",
    LinkKind.SIGN_UP: "/sign-up/password",
    LinkKind.EMAIL: "/account/email/confirm",
}
"""The page that a link opens, below the issuer."""


def new(
    kind: LinkKind,
    id: bytes,
    *,
    refresh_key_id: str,
    now: int,
    user: User | None = None,
    address: str = "",
    interaction_id: bytes | None = None,
    browser_hash: bytes | None = None,
    message_id: int = 0,
) -> Link:
    """Return a new link. See `Link` for its fields; `now` is in microseconds."""
    return Link(
        id=id,
        kind=kind,
        user_id=user.id if user else None,
        address=address,
        credential_version=user.credential_version if user else 0,
        refresh_key_id=refresh_key_id,
        interaction_id=interaction_id,
        browser_hash=browser_hash,
        created_at=now,
        expires_at=now + LIFETIME * SECOND,
        message_id=message_id,
    )


def url(issuer: str, kind: LinkKind, secret: str) -> str:
    """Return the URL that a person opens. It begins with the issuer, whatever the Host of the request was."""
    return f"{issuer}{PATHS[kind]}?link={secret}"


def id_of(text: str) -> bytes | None:
    """Return the id in a link's secret, which may still be forged; None for anything that this server cannot have
    made."""
    return base64url.decode(text[len(PREFIX) :])[:_ID_LENGTH] if _FORM.fullmatch(text) else None


def render(link: Link, key: bytes) -> str:
    """Return the link's secret. `key` is the secret of its refresh-token key."""
    derived = hmac.digest(key, _LABEL, "sha256")
    about = (link.kind, link.user_id or "", link.address, str(link.credential_version))
    message = link.id + "\0".join(about).encode(errors="surrogatepass")
    return PREFIX + base64url.encode(link.id + hmac.digest(derived, message, "sha256"))


def why_dead(link: Link, user: User | None, kind: LinkKind, now: int) -> str:
    """Return why the link does not work for this `kind`; "" if it works. `user` is the user whom it is for."""
    if link.kind != kind:
        return "link of another kind"
    if link.used_at is not None:
        return "link used already"
    if now >= link.expires_at:
        return "link expired"
    if link.user_id is None:
        return ""
    if user is None or user.is_blocked:
        return "user disabled" if user else "no such user"
    return "" if user.credential_version == link.credential_version else "password changed since"
