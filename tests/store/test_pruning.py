"""The database cleans itself: what is over goes, in batches; what lives stays."""

from authserver.store import authorizations, pruning, signing_keys
from authserver.store.group_commit import commit


def test_finished_logins_go_a_day_after_their_end_and_living_ones_stay(database, login, clock, token):
    old = login()["refresh_token"]
    clock.forward(7 * 86400)
    young = login()["refresh_token"]
    clock.forward(86399)
    _prune(database, clock)
    assert _count(database) == 2
    clock.forward(2)
    _prune(database, clock)
    assert _count(database) == 1
    assert token("refresh_token", refresh_token=old).json()["error"] == "invalid_grant"
    assert token("refresh_token", refresh_token=young).status_code == 200


def test_a_walk_along_the_key_misses_no_login(database, login, clock, monkeypatch):
    monkeypatch.setattr(pruning, "_END_OF_BATCH", pruning._END_OF_BATCH.offset(1))
    for _ in range(5):
        login()
    clock.forward(9 * 86400)
    steps, after = 0, pruning.FIRST
    while True:
        with database.begin() as connection:
            to = pruning.end_of_batch_many(connection, [after]).get(after)
        _prune(database, clock, after, to or pruning.LAST)
        steps += 1
        if to is None:
            break
        after = to
    assert _count(database) == 0 and steps == 3


def test_denials_go_when_their_token_has_expired(database, clock):
    denials = [signing_keys.deny("early", clock() + 1), signing_keys.deny("late", clock() + 10)]
    commit(database._engine, denials, clock)
    clock.now += 2
    _prune(database, clock)
    with database.begin() as connection:
        assert set(signing_keys.load_denied_many(connection, ["early", "late"])) == {"late"}


def _prune(database, clock, after=pruning.FIRST, to=pruning.LAST):
    assert commit(database._engine, [pruning.prune(after, to)], clock) == [True]


def _count(database):
    with database.begin() as connection:
        return len(connection.execute(authorizations.table.select()).all())
