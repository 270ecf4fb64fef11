"""The audit log: who did what, and who was refused."""

from __future__ import annotations

import json
import os
import pwd
import time
from collections.abc import Callable
from contextlib import closing

import apsw
import pytest
from tests.access.conftest import StartGuarded
from tests.access.guarded import (
    CURRENT,
    LINKS,
    NOTIFICATIONS,
    PURGE,
    SESSIONS,
    TICKETS,
    Guarded,
    ask,
    eventually,
    page,
    refusal,
    sign_in,
)
from tests.e2e.calls import ARCHIVE, TXS
from tests.support.server import run_athena

from athena.auth.secrets import new_key

BEHIND = ("--behind-proxy", "127.0.0.1")
CLIENT = {"X-Forwarded-For": "203.0.113.9"}


def test_what_is_done_is_written_down_with_who_when_and_from_where(start_guarded: StartGuarded) -> None:
    server = start_guarded(*BEHIND)
    began = int(time.time() * 1000)
    key = server.keys["manager"]
    key_id = key.split("_")[1]
    cookie = sign_in(server, key, CLIENT)
    headers = {**page(server, cookie), **CLIENT}
    done = ask(server, "POST", TXS, {"description": "x"}, headers=headers).body["tx_id"]
    assert ask(server, "POST", ARCHIVE, {"notification_ids": [done]}, headers=headers).status == 200
    assert ask(server, "DELETE", PURGE, key=key, headers=CLIENT).status == 200
    assert ask(server, "POST", LINKS, key=key, headers=CLIENT).status == 201
    assert ask(server, "DELETE", CURRENT, headers=headers).status == 200
    # They are on disk before the response, so there is nothing to wait for.
    told = {entry.action: entry for entry in server.audit() if entry.outcome == "ok"}
    assert told.keys() == {"sign in", "archive", "purge", "make a sign-in link", "sign out"}
    for action, entry in told.items():
        assert entry.address == "203.0.113.9", action
        assert began <= entry.ts <= time.time() * 1000
        by_key = action in ("purge", "make a sign-in link")
        assert entry.who.startswith(f"key {key_id}" if by_key else "session "), entry
        assert "the manager" in entry.who
    assert told["archive"].detail == "archived 1 notification(s)"
    assert told["purge"].detail.startswith("deleted ")


def test_an_exchange_of_a_ticket_is_a_sign_in(start_guarded: StartGuarded) -> None:
    server = start_guarded()
    made = ask(server, "POST", TICKETS, {"name": "ann"}, key=server.keys["reporter"]).body["ticket"]
    assert ask(server, "POST", SESSIONS, {"ticket": made}).status == 201
    entry = server.audited("sign in")
    assert "(ann)" in entry.who
    assert entry.detail == "by ticket"


def test_denials_are_written_down(start_guarded: StartGuarded) -> None:
    server = start_guarded(*BEHIND)
    viewer = server.keys["viewer"]
    attempts: dict[str, Callable[[], object]] = {
        "report": lambda: ask(server, "PUT", f"{TXS}/x", {}, key=viewer, headers=CLIENT),
        "manage": lambda: ask(server, "DELETE", PURGE, key=viewer, headers=CLIENT),
        "use bad credentials": lambda: ask(server, "GET", NOTIFICATIONS, key=str(new_key()), headers=CLIENT),
        "sign in": lambda: ask(server, "POST", SESSIONS, {"key": "x"}, headers=CLIENT),
        "ask from another page": lambda: refusal(server, viewer, headers={"Origin": "https://evil.example", **CLIENT}),
        "use a cookie without naming the page": lambda: ask(
            server, "GET", NOTIFICATIONS, headers={"Cookie": sign_in(server, viewer), **CLIENT}
        ),
        "give the role manager": lambda: ask(
            server, "POST", TICKETS, {"name": "ann", "role": "manager"}, key=server.keys["reporter"], headers=CLIENT
        ),
        "send a secret in an address": lambda: ask(server, "GET", f"{NOTIFICATIONS}?key={viewer}", headers=CLIENT),
    }
    for attempt in attempts.values():
        attempt()
    for action in attempts:
        entry = server.audited(action, "denied")
        assert entry.address == "203.0.113.9", action
        known = {"report": "the viewer", "manage": "the viewer", "give the role manager": "the reporter"}
        assert known.get(action, "somebody") in entry.who
    assert server.audited("ask from another page", "denied").detail == "https://evil.example"
    assert viewer.split("_", 2)[2] not in str(server.audit())


def test_what_is_done_is_answered_as_done_also_while_the_record_has_to_wait(start_guarded: StartGuarded) -> None:
    server = start_guarded()
    key = server.keys["manager"]
    done = ask(server, "POST", TXS, {"description": "x"}, key=key).body["tx_id"]
    with closing(apsw.Connection(str(server.data / "auth.db"))) as other:
        other.execute("BEGIN IMMEDIATE")
        answer = ask(server, "POST", ARCHIVE, {"notification_ids": [done]}, key=key)
        other.execute("ROLLBACK")
    assert (answer.status, answer.body["details"]) == (200, "archived 1 notification(s)")
    assert server.audited("archive").detail == "archived 1 notification(s)"


def test_changes_of_keys_are_written_down(start_guarded: StartGuarded) -> None:
    server = start_guarded()
    key = server.cli("keys", "create", "--name", "jane.roe@example.com", "--role", "viewer").strip()
    server.cli("keys", "revoke", key.split("_")[1])
    for action in ("create a key", "revoke a key"):
        entry = server.audited(action)
        assert entry.who == f"account {pwd.getpwuid(os.getuid()).pw_name}"
        assert key.split("_")[1] in entry.detail
        assert key.split("_", 2)[2] not in entry.detail
        assert "jane.roe" not in entry.detail


def test_a_flood_of_denials_is_counted(start_guarded: StartGuarded) -> None:
    server = start_guarded("--bad-credentials", "1000000")
    for _ in range(200):
        ask(server, "GET", NOTIFICATIONS, key=str(new_key()))
    server.audited("use bad credentials", "denied")
    server.stop()
    entries = [entry for entry in server.audit() if entry.action == "use bad credentials"]
    assert len(entries) <= 4  # a new minute may begin meanwhile
    counts = [int(entry.detail.split()[0]) for entry in entries if "more times" in entry.detail]
    assert sum(counts) + len(entries) - len(counts) == 200


@pytest.mark.parametrize("statement", ["UPDATE audit SET who = 'nobody'", "DELETE FROM audit"])
def test_it_is_only_added_to(guarded: Guarded, statement: str) -> None:
    sign_in(guarded, guarded.manager)
    before = guarded.audit()
    connection = apsw.Connection(str(guarded.data / "auth.db"))
    with pytest.raises(apsw.ConstraintError, match="only added to"):
        connection.execute(statement)
    connection.close()
    assert guarded.audit()[: len(before)] == before


def test_the_command_shows_it(start_guarded: StartGuarded) -> None:
    server = start_guarded()
    sign_in(server, server.manager)
    ask(server, "POST", SESSIONS, {"key": "x"}, headers={"X-Forwarded-For": "198.51.100.1"})
    eventually(lambda: "denied" in server.cli("audit"))
    rows = [json.loads(line) for line in server.cli("audit", "--json").splitlines()]
    told = [(row["action"], row["outcome"]) for row in rows]
    assert told == [("create a key", "ok"), ("sign in", "ok"), ("sign in", "denied")]
    assert all(row.keys() == {"ts", "who", "address", "action", "outcome", "detail"} for row in rows)
    assert [row["address"] for row in rows] == ["", "127.0.0.1", "127.0.0.1"]
    assert len(server.cli("audit", "--limit", "1").splitlines()) == 1
    assert server.cli("audit", "--from", "2h") == server.cli("audit")
    assert server.cli("audit", "--from", "2999-01-01") == ""


def test_a_purge_leaves_it_alone(start_guarded: StartGuarded) -> None:
    server = start_guarded()
    sign_in(server, server.manager)
    ask(server, "DELETE", PURGE, key=server.manager)
    server.restart()
    assert [entry.action for entry in server.audit()] == ["sign in", "purge"]


def test_where_there_is_none_the_command_says_so(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("none")
    done = run_athena("audit", variables={"ATHENA_DATA": str(folder)})
    assert done.returncode == 1
    assert done.stderr.decode().count("\n") == 1
    assert list(folder.iterdir()) == []
