"""Every function of store/links.py."""

import time
from dataclasses import replace
from threading import Thread

import pytest
from sqlalchemy import text

from authserver.domain import links as rules
from authserver.domain.models import SECOND, Link, LinkKind, RefreshTokenKey, User
from authserver.store import links, refresh_token_keys, signing_keys, user_claims, users
from authserver.store.database import Database
from tests.harness.clock import Clock
from tests.harness.constants import LONG
from tests.harness.existing import existing
from tests.store.rows import NOW

ADA = User("u_ada", "ada", "$argon2id$")


def a_link(number: int, kind: LinkKind = LinkKind.RESET, user: User | None = ADA, address: str = "") -> Link:
    return rules.new(kind, number.to_bytes(16), refresh_key_id="refresh-1", now=NOW, user=user, address=address)


def left(store: Database, *numbers: int) -> set[int]:
    ids = [number.to_bytes(16) for number in numbers]
    with store.begin() as connection:
        return {int.from_bytes(id) for id in links.load_many(connection, ids)}


def test_a_link_comes_back_with_its_user_and_their_claims(store: Database) -> None:
    in_browser = replace(a_link(1), interaction_id=bytes(16), browser_hash=bytes(32))
    for_nobody = a_link(2, LinkKind.SIGN_UP, None, "new@example.com")
    with store.begin() as connection:
        ada = existing(users.load(connection, "ada"))
        user_claims.replace(connection, ada.id, {"name": "Ada"})
        assert links.put(connection, in_browser) and links.put(connection, for_nobody)
    with store.begin() as connection:
        found = links.load_many(connection, [in_browser.id, for_nobody.id, bytes(16)])
    assert found == {
        in_browser.id: links.LinkRecord(in_browser, replace(ada, claims={"name": "Ada"})),
        for_nobody.id: links.LinkRecord(for_nobody, None),
    }


def test_a_newer_link_replaces_the_older_ones_of_its_kind_and_person_and_way_and_no_others(store: Database) -> None:
    bob = User("u_bob", "bob", "$argon2id$")
    with store.begin() as connection:
        for link in (
            a_link(1),
            a_link(2, LinkKind.EMAIL, address="new@example.com"),
            a_link(3, user=bob),
            a_link(4, LinkKind.SIGN_UP, None, "new@example.com"),
            a_link(5, LinkKind.SIGN_UP, None, "newer@example.com"),
            a_link(6),
            a_link(7, LinkKind.SIGN_UP, None, "new@example.com"),
            a_link(8, address="ada@example.com"),
            a_link(9, address="ada@example.com"),
        ):
            assert links.put(connection, link)
    assert left(store, *range(1, 10)) == {2, 3, 5, 6, 7, 9}


def test_of_two_links_like_each_other_the_one_that_was_asked_for_last_works_whichever_is_made_first(
    store: Database,
) -> None:
    """Making one takes longer if somebody has an account with its address: that must not decide which one works."""
    asked = [replace(a_link(number, LinkKind.EMAIL, address="a@b.example"), message_id=number) for number in range(6)]
    with store.begin() as connection:
        for number in (1, 3, 2, 4):
            assert links.put(connection, asked[number])
            assert links.put(connection, asked[1])  # its email is sent again
    assert left(store, *range(6)) == {4}
    late = replace(asked[2], created_at=asked[4].expires_at)
    with store.begin() as connection:
        assert links.put(connection, late)
    assert left(store, *range(6)) == {2}


def test_an_address_is_taken_if_another_user_has_it_as_a_name_or_verified(store: Database) -> None:
    own, name, new = "ada@example.com", "eve@example.com", "new@example.com"
    eve = User("u_eve", name, "$argon2id$")
    asked = [(ADA, own), (eve, own), (None, own), (eve, name), (ADA, name), (None, name), (ADA, new), (None, new)]
    with store.begin() as connection:
        assert users.add(connection, eve)
        user_claims.replace(connection, ADA.id, {"email": own, "email_verified": True})
        made = [a_link(number, LinkKind.EMAIL, user, address) for number, (user, address) in enumerate(asked)]
        taken = []
        for link in made:
            assert links.put(connection, link)
            taken.append(links.load_many(connection, [link.id])[link.id].is_taken)
    assert taken == [False, True, True, False, True, True, False, False]


def test_a_link_is_used_once_and_is_not_sent_again_then(store: Database) -> None:
    with store.begin() as connection:
        links.put(connection, a_link(1))
        assert links.put(connection, a_link(1))  # as after a mail that could not be sent
        assert links.use(connection, a_link(1).id, NOW)
        assert not links.use(connection, a_link(1).id, NOW)
        assert not links.put(connection, a_link(1))
        links.put(connection, a_link(2))
        assert not links.use(connection, a_link(2).id, NOW + rules.LIFETIME * SECOND)
        assert not links.use(connection, b"nobody's", NOW)


def test_links_of_a_user_end_when_their_address_changes_or_they_are_deleted(store: Database) -> None:
    with store.begin() as connection:
        user_claims.replace(connection, "u_bob", {"email": "bob@example.com", "email_verified": True})
        links.put(connection, a_link(1))
        user_claims.replace(connection, "u_ada", {"name": "Ada"})
    assert left(store, 1) == {1}
    with store.begin() as connection:
        user_claims.replace(connection, "u_ada", {"email": "ada@example.com", "email_verified": True})
    assert left(store, 1) == set()
    with store.begin() as connection:
        links.put(connection, a_link(2))
        users.remove(connection, "ada")
    assert left(store, 2) == set()


def test_links_of_a_revoked_refresh_token_key_end_with_it(store: Database) -> None:
    with store.begin() as connection:
        signing_keys.add_refresh_key(connection, RefreshTokenKey("refresh-1", "wrapped", NOW, NOW))
        links.put(connection, a_link(1))
        links.put(connection, replace(a_link(2, LinkKind.EMAIL), refresh_key_id="refresh-2"))
        refresh_token_keys.revoke_all(connection, NOW)
        refresh_token_keys.end_authorizations(connection, NOW)
    assert left(store, 1, 2) == {2}


@pytest.mark.parametrize("url", ["postgres"], indirect=True)
@pytest.mark.parametrize(
    "made", [[a_link(1), a_link(2)], [a_link(n, LinkKind.SIGN_UP, None, "new@example.com") for n in (1, 2)]]
)
def test_of_two_links_that_two_nodes_make_for_one_person_at_one_moment_one_works(
    store: Database, url: str, clock: Clock, made: list[Link]
) -> None:
    """The second is made while the first is not committed, so that neither sees the other."""
    other = Database(url, clock)

    def make_second() -> None:
        with other.begin() as connection:
            links.put(connection, made[1])

    second = Thread(target=make_second)
    with store.begin() as connection:
        links.put(connection, made[0])
        second.start()
        wait_until_blocked(url, clock)
    second.join(LONG)
    other.close()
    assert left(store, 1, 2) == {2}


def wait_until_blocked(url: str, clock: Clock) -> None:
    blocked = text(
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    deadline, watcher = time.monotonic() + LONG, Database(url, clock)
    while True:
        with watcher.begin() as connection:
            if connection.execute(blocked).scalar_one():
                break
        assert time.monotonic() < deadline, "the second link was made without waiting for the first"
        time.sleep(0.01)
    watcher.close()
