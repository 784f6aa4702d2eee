"""Clients that belong to the operator, so that their users are not asked for consent. One is built in, for the plain
JSON interface: public, for tokens whose audience is `<issuer>/api`."""

from .models import Client

CLIENT_ID = "first-party"


def client(now: int) -> Client:
    grants = frozenset({"password", "refresh_token"})
    return Client(CLIENT_ID, "The plain JSON interface", "none", grants, scope=(), created_at=now)


def asks(client: Client) -> bool:
    """Whether the client gets access to an account only if its user agrees on a page. One that is shown the password
    does not ask. A device always asks."""
    is_trusted = client.first_party and "authorization_code" in client.grant_types
    return not is_trusted and "password" not in client.grant_types
