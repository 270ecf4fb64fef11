"""An idempotency key belongs to its caller: other callers do not get its response, and may use the same key."""

from __future__ import annotations

from tests.access.conftest import StartGuarded
from tests.access.guarded import NOTIFICATIONS, PURGE, Guarded, ask
from tests.e2e.calls import TXS

from athena.auth.local import make_key
from athena.auth.store import AuthStore

KEY = {"Idempotency-Key": "the-same"}
OPENING = {"description": "a job"}


def another_reporter(server: Guarded) -> str:
    store = AuthStore(server.data)
    try:
        return str(make_key(store, "the reporter", "reporter"))
    finally:
        store.close()


def test_two_producers_with_one_key_are_two_requests(start_guarded: StartGuarded) -> None:
    server = start_guarded()
    callers = [server.keys["reporter"], server.keys["manager"], another_reporter(server)]
    ids = set()
    for caller in callers:
        first = ask(server, "POST", TXS, OPENING, caller, KEY)
        again = ask(server, "POST", TXS, OPENING, caller, KEY)
        assert (first.status, again.status) == (201, 201)
        assert again.body == first.body
        assert again.headers["idempotency-replayed"] == "true"
        ids.add(first.body["tx_id"])
    assert len(ids) == len(callers)


def test_who_may_not_is_told_nothing(start_guarded: StartGuarded) -> None:
    server = start_guarded()
    assert ask(server, "POST", TXS, OPENING, server.keys["reporter"], KEY).status == 201
    assert ask(server, "POST", TXS, OPENING, server.keys["viewer"], KEY).status == 403
    assert ask(server, "POST", TXS, OPENING, None, KEY).status == 401
    server.revoke(server.keys["reporter"])
    server.restart()
    assert ask(server, "POST", TXS, OPENING, server.keys["reporter"], KEY).status == 401


def test_what_is_told_again_is_in_the_audit_log_as_that(start_guarded: StartGuarded) -> None:
    server = start_guarded()
    manager = server.keys["manager"]
    ask(server, "POST", NOTIFICATIONS, {"status": "error", "message": "m"}, manager)
    for _ in range(2):
        assert ask(server, "DELETE", PURGE, None, manager, KEY).status == 200
    details = [entry.detail for entry in server.audit() if entry.action == "purge"]
    assert details == ["deleted 1 notification(s)", "deleted 1 notification(s), told again"]
