"""A new password, a new account and a new address by a link: each is one change, or none."""

from dataclasses import replace
from typing import Any

import pytest

from authserver.domain import links as rules
from authserver.domain.mail import new_mail
from authserver.domain.models import Link, LinkKind, User
from authserver.store import links, user_claims, users
from authserver.store.changes import Change
from authserver.store.database import Database
from authserver.store.email_changes import change_email
from authserver.store.password_resets import reset
from authserver.store.schema import metadata
from authserver.store.sign_ups import sign_up
from tests.harness.by_email import user_by_email
from tests.harness.existing import existing
from tests.store.rows import NOW, begun, row_of

ADA, NEW = User("u_ada", "ada", "$argon2id$"), "new@example.com"
EMAIL = {"email": NEW, "email_verified": True}
EVE = User("u_eve", NEW, "$argon2id$", created_at=NOW, claims=EMAIL)
MAIL = new_mail("password_changed", "ada@example.com", "en", user_id="u_ada", username="ada")


def a_link(kind: LinkKind, user: User | None = None) -> Link:
    return rules.new(kind, bytes(16), refresh_key_id="refresh-1", now=NOW, user=user, address=NEW)


def put(store: Database, link: Link) -> Link:
    with store.begin() as connection:
        assert links.put(connection, link)
    return link


def apply(store: Database, change: Change) -> bool:
    with store.begin() as connection:
        (held,) = change.apply(connection, [change.params], NOW)
    return held


def everything(store: Database) -> dict[str, list[Any]]:
    with store.begin() as connection:
        return {table.name: list(connection.execute(table.select())) for table in metadata.sorted_tables}


def test_a_reset_sets_the_password_ends_what_there_is_and_mails_once(store: Database) -> None:
    begun(store, 1)
    link = put(store, a_link(LinkKind.RESET, ADA))
    assert apply(store, reset(link, ADA, "new hash", MAIL, ended=[]))
    assert row_of(store).revoked_reason == "password_changed"
    with store.begin() as connection:
        ada = existing(users.load(connection, "ada"))
    assert (ada.password_hash, ada.credential_version) == ("new hash", 1)
    after = everything(store)
    assert len(after["outbox"]) == 1
    assert not apply(store, reset(link, ADA, "another", MAIL, ended=[])) and everything(store) == after


@pytest.mark.parametrize("kind", [LinkKind.RESET, LinkKind.EMAIL])
@pytest.mark.parametrize("came_first", ["password", "disabled"])
def test_a_link_from_before_another_password_or_of_a_disabled_user_writes_nothing(
    store: Database, kind: LinkKind, came_first: str
) -> None:
    """As when both are done in the same moment: the link was loaded before."""
    begun(store, 1)
    link = put(store, a_link(kind, ADA))
    with store.begin() as connection:
        if came_first == "password":
            assert users.set_password(connection, "ada", "the owner's own")
        else:
            connection.execute(metadata.tables["users"].update().values(disabled=True))
    before = everything(store)
    change = (
        reset(link, ADA, "new hash", MAIL, ended=[]) if kind is LinkKind.RESET else change_email(link, "u_ada", MAIL)
    )
    assert not apply(store, change) and everything(store) == before


def test_a_sign_up_adds_the_user_and_uses_the_link_once(store: Database) -> None:
    link = put(store, a_link(LinkKind.SIGN_UP))
    assert apply(store, sign_up(EVE, link_id=link.id))
    with store.begin() as connection:
        assert user_by_email(connection, NEW) == EVE
    after = everything(store)
    again = replace(EVE, id="u_other", username="other", claims={})
    assert not apply(store, sign_up(again, link_id=link.id)) and everything(store) == after


@pytest.mark.parametrize("taken", ["name", "address"])
def test_a_sign_up_whose_name_or_address_is_in_use_writes_nothing(store: Database, taken: str) -> None:
    link = put(store, a_link(LinkKind.SIGN_UP))
    with store.begin() as connection:
        if taken == "name":
            assert users.add(connection, User("u_first", NEW, ""))
        else:
            user_claims.replace(connection, "u_bob", EMAIL)
    before = everything(store)
    assert not apply(store, sign_up(EVE, link_id=link.id)) and everything(store) == before


def test_a_change_of_the_address_keeps_the_other_claims_and_ends_older_links(store: Database) -> None:
    with store.begin() as connection:
        user_claims.replace(connection, "u_ada", {"name": "Ada"})
    link = put(store, a_link(LinkKind.EMAIL, ADA))
    put(store, replace(a_link(LinkKind.RESET, ADA), id=b"reset link of ada"[:16]))
    assert apply(store, change_email(link, "u_ada", MAIL))
    with store.begin() as connection:
        assert existing(users.load_with_claims(connection, "ada")).claims == {"name": "Ada"} | EMAIL
        assert links.load_many(connection, [b"reset link of ada"[:16]]) == {}


def test_a_change_to_an_address_that_is_in_use_writes_nothing(store: Database) -> None:
    link = put(store, a_link(LinkKind.EMAIL, ADA))
    with store.begin() as connection:
        user_claims.replace(connection, "u_bob", EMAIL)
    before = everything(store)
    assert not apply(store, change_email(link, "u_ada", MAIL)) and everything(store) == before
