"""Reads a logout request, and decides whom and what it may end (OpenID Connect RP-Initiated Logout 1.0 s2, s3)."""

from dataclasses import dataclass

from .authorization_request import MAX_VALUE, Parameters
from .id_token import Hint
from .models import Client, User

NAMES = ("id_token_hint", "client_id", "post_logout_redirect_uri", "state", "logout_hint", "ui_locales")


@dataclass(frozen=True, slots=True)
class Return:
    """Where the browser goes after the sign-out."""

    uri: str
    state: str | None


def client_id_of(parameters: Parameters, hint: Hint | None) -> str:
    """Return the client that sent the browser, as far as the request says; "" if it does not, or contradicts itself."""
    if "client_id" in parameters.repeated | parameters.malformed:
        return ""
    named = parameters.values.get("client_id", "")
    if hint is None:
        return named
    # s2: when both client_id and id_token_hint are present, the OP MUST verify that the Client Identifier matches the
    # one used as the Client Identifier when issuing the ID Token.
    return hint.client_id if named in ("", hint.client_id) else ""


def return_of(parameters: Parameters, hint: Hint | None, client: Client | None) -> Return | None:
    """Return where the browser may go; None for nowhere. `client` is that of `client_id_of`, if there is one.

    s3: the OP MUST NOT perform post-logout redirection if the post_logout_redirect_uri supplied does not exactly match
    one of the values registered. Without a hint, nobody can tell whether the client itself sent the browser."""
    uri, state = parameters.values.get("post_logout_redirect_uri", ""), parameters.values.get("state")
    if hint is None or client is None or client.disabled or uri not in client.post_logout_redirect_uris:
        return None
    if "state" in parameters.repeated or len((state or "").encode(errors="surrogateescape")) > MAX_VALUE:
        return None
    return Return(uri, state)


def why_ask(
    parameters: Parameters, hint: Hint | None, client: Client | None, user: User, subject: str, sid: str
) -> str:
    """Return why the person is asked before the session ends; "" if they are not. They always are, unless an ID token
    of this very session proves that an application of it sent the browser, with a request that makes sense. `subject`
    and `sid` are the ids by which the client knows the user and the session.

    s2: the OP MUST ask the End-User this question if an id_token_hint was not provided or if the supplied ID Token does
    not belong to the current OP session with the RP and/or currently logged in End-User."""
    if hint is not None and (hint.sid, hint.subject) != (sid, subject):
        return "the ID token is of another session"
    if "logout_hint" in parameters.repeated | parameters.malformed:
        return "the logout_hint is repeated, or not UTF-8"
    if parameters.values.get("logout_hint", "") not in ("", user.username, subject, sid):
        return "the logout_hint is not the user who is signed in"
    return why_unproven(parameters, hint, client)


def why_unproven(parameters: Parameters, hint: Hint | None, client: Client | None) -> str:
    """Return why the request does not prove that a client sent the browser, or cannot be followed; "" if it does.
    `client` is as for `return_of`."""
    sent = {*parameters.values, *parameters.repeated, *parameters.malformed}
    if hint is None:
        is_sent = "id_token_hint" in sent
        return "the id_token_hint is not an ID token of this server" if is_sent else "there is no id_token_hint"
    if client is None:
        return "the client is unknown, or is not that of the ID token"
    if client.disabled:
        return "client disabled"
    if "post_logout_redirect_uri" in sent and return_of(parameters, hint, client) is None:
        return "the post_logout_redirect_uri is not registered, or the state is repeated or too long"
    return ""
