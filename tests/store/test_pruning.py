"""The database cleans itself: what is over goes, in batches; what lives stays."""

from authserver.store import authorizations, pruning, signing_keys
from authserver.store.group_commit import commit


def test_finished_logins_go_a_day_after_their_end_and_living_ones_stay(database, login, clock, token):
    old = login()["refresh_token"]
    clock.forward(7 * 86400)
    young = login()["refresh_token"]
    clock.forward(86399)
    assert _count(database) == 2 and _prune(database, clock) == [False] and _count(database) == 2
    clock.forward(2)
    _prune(database, clock)
    assert _count(database) == 1
    assert token("refresh_token", refresh_token=old).json()["error"] == "invalid_grant"
    assert token("refresh_token", refresh_token=young).status_code == 200


def test_denials_go_when_their_token_has_expired(database, clock):
    commit(
        database._engine, [signing_keys.deny("early", clock() + 1), signing_keys.deny("late", clock() + 10)], clock()
    )
    clock.now += 2
    _prune(database, clock)
    with database.begin() as connection:
        assert set(signing_keys.load_denied_many(connection, ["early", "late"])) == {"late"}


def test_a_full_batch_says_that_there_may_be_more(database, clock, monkeypatch):
    denials = [signing_keys.deny(f"jti-{number}", clock() + 1) for number in range(501)]
    commit(database._engine, denials, clock())
    clock.now += 2
    assert _prune(database, clock) == [True]
    assert _prune(database, clock) == [False]


def _prune(database, clock):
    return commit(database._engine, [pruning.prune()], clock())


def _count(database):
    with database.begin() as connection:
        return len(connection.execute(authorizations.table.select()).all())
