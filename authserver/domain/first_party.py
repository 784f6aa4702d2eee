"""The built-in client of the plain JSON interface: public, first-party, for tokens whose audience is `<issuer>/api`."""

from .models import Client

CLIENT_ID = "first-party"


def client(now: int) -> Client:
    grants = frozenset({"password", "refresh_token"})
    return Client(CLIENT_ID, "The plain JSON interface", "none", grants, scope=(), created_at=now)
