"""Every function of store/users.py."""

from dataclasses import replace

import pytest

from authserver.domain.models import User
from authserver.store import user_claims, users
from authserver.store.database import Database
from authserver.store.schema import user_claims as claims_table
from authserver.store.user_claims import EmailInUse
from tests.harness.by_email import user_by_email
from tests.harness.existing import existing
from tests.store.rows import NOW

EVE = User("u_eve", "ève", "$argon2id$", credential_version=3, disabled=True, created_at=NOW)


def test_what_is_added_is_loaded_member_for_member(store: Database) -> None:
    with store.begin() as connection:
        assert users.add(connection, EVE)
    with store.begin() as connection:
        assert users.load(connection, "ève") == EVE
        assert users.load(connection, "nobody") is None
        assert set(users.load_many(connection, ["ada", "ève", "nobody"])) == {"ada", "ève"}


def test_claims_are_loaded_only_where_they_are_asked_for(store: Database) -> None:
    claims = {"roles": ["editor", "é\0"], "tenant": None}
    with store.begin() as connection:
        assert users.add(connection, replace(EVE, claims=claims))
    with store.begin() as connection:
        assert users.load(connection, "ève") == EVE
        assert users.load_with_claims(connection, "ève") == replace(EVE, claims=claims)
        assert existing(users.load_with_claims(connection, "ada")).claims == {}
        assert users.load_with_claims(connection, "nobody") is None


def test_claims_are_replaced_as_a_whole_and_go_with_their_user(store: Database) -> None:
    with store.begin() as connection:
        user_claims.replace(connection, "u_ada", {"roles": ["editor"]})
        user_claims.replace(connection, "u_ada", {"groups": ["staff"]})
        user_claims.replace(connection, "u_bob", {"groups": ["staff"]})
        user_claims.replace(connection, "u_bob", {})
    with store.begin() as connection:
        loaded = users.load_with_claims_many(connection, ["ada", "bob"])
        assert {name: user.claims for name, user in loaded.items()} == {"ada": {"groups": ["staff"]}, "bob": {}}
        users.remove(connection, "ada")
        assert connection.execute(claims_table.select()).all() == []


def email(address: str, *, verified: bool = True) -> dict[str, object]:
    return {"email": address, "email_verified": verified}


def test_a_user_is_found_by_a_verified_address_in_every_spelling_and_by_no_other(store: Database) -> None:
    with store.begin() as connection:
        user_claims.replace(connection, "u_ada", email("Ada@Example.com"))
        user_claims.replace(connection, "u_bob", email("bob@example.com", verified=False))
        assert users.add(connection, replace(EVE, claims=email("eve@example.com")))
    with store.begin() as connection:
        found = existing(user_by_email(connection, "ada@example.com"))
        assert (found.username, found.claims) == ("ada", email("Ada@Example.com"))
        assert existing(user_by_email(connection, "eve@example.com")).username == "ève"
        assert user_by_email(connection, "bob@example.com") is None
        assert user_claims.owners_of(connection, ["ada@example.com", "bob@example.com"]) == {"ada@example.com": "u_ada"}
        user_claims.replace(connection, "u_ada", email("ada@example.com", verified=False))
        assert user_by_email(connection, "ada@example.com") is None


def test_a_verified_address_belongs_to_one_user(store: Database) -> None:
    with store.begin() as connection:
        user_claims.replace(connection, "u_ada", email("ada@example.com"))
    for write in (
        lambda connection: user_claims.replace(connection, "u_bob", email("ADA@example.com")),
        lambda connection: users.add(connection, replace(EVE, claims=email("ada@example.com"))),
        lambda connection: user_claims.add_many(
            connection, {"u_bob": email("new@example.com"), "u_eve": email("new@example.com")}
        ),
    ):
        with pytest.raises(EmailInUse, match="verified address (ada|new)@example.com"), store.begin() as connection:
            write(connection)
    with store.begin() as connection:
        user_claims.replace(connection, "u_bob", email("ada@example.com", verified=False))
        assert user_claims.owners_of(connection, ["ada@example.com", "new@example.com"]) == {"ada@example.com": "u_ada"}


def test_all_users_are_read_in_batches_each_once(store: Database) -> None:
    many = [replace(EVE, id=f"{'Aa-_|'[n % 5]}{n}", username=f"user{n}", claims={"n": n}) for n in range(2001)]
    with store.begin() as connection:
        users.add_many(connection, many)
        users.remove(connection, "bob")
    with store.begin() as connection:
        found = list(users.iterate(connection))
        assert users.count(connection) == len(found) == 2002
        by_name = {user.username: user for user in found}
        assert by_name.pop("ada").claims == {} and by_name == {user.username: user for user in many}
        assert users.ids_in_use(connection, ["u_ada", "A0", "u_bob", "nobody"]) == {"u_ada", "A0"}


def test_a_taken_username_adds_nothing_and_leaves_the_transaction_whole(store: Database) -> None:
    with store.begin() as connection:
        assert not users.add(connection, replace(EVE, username="ada"))
        assert users.add(connection, EVE)
    with store.begin() as connection:
        assert [user.id for user in users.load_all(connection)] == ["u_ada", "u_bob", "u_eve"]


def test_a_new_password_raises_the_credential_version_of_that_user_only(store: Database) -> None:
    with store.begin() as connection:
        assert users.set_password(connection, "ada", "new")
        assert users.set_password(connection, "ada", "newer")
        assert not users.set_password(connection, "nobody", "new")
    with store.begin() as connection:
        ada, bob = existing(users.load(connection, "ada")), existing(users.load(connection, "bob"))
    assert (ada.password_hash, ada.credential_version) == ("newer", 2)
    assert (bob.password_hash, bob.credential_version) == ("$argon2id$", 0)


def test_disabling_is_told_and_taken_back(store: Database) -> None:
    with store.begin() as connection:
        assert users.set_disabled(connection, "ada", True)
        assert not users.set_disabled(connection, "nobody", True)
    with store.begin() as connection:
        assert [user.disabled for user in users.load_all(connection)] == [True, False]
        assert users.set_disabled(connection, "ada", False)
        assert not existing(users.load(connection, "ada")).disabled
