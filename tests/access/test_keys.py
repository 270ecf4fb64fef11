"""API keys: creation, use, record of last use, revocation."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import threading
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from subprocess import PIPE
from typing import Any

import apsw
import pytest
from tests.access.conftest import StartGuarded
from tests.access.guarded import (
    CHANGES,
    NOTIFICATIONS,
    STREAM,
    Guarded,
    ask,
    bearer,
    close_code,
    eventually,
    read_to_the_end,
    refusal,
    stream,
    websocket,
)
from tests.support.server import ATHENA, PATIENCE, environment, run_athena

from athena.auth.local import make_key
from athena.auth.secrets import new_key
from athena.auth.store import AuthStore


def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def status(server: Guarded, key: str | None, headers: dict[str, str] | None = None) -> int:
    return ask(server, "GET", NOTIFICATIONS, key=key, headers=headers).status


def rows(server: Guarded) -> dict[str, dict[str, Any]]:
    lines = server.cli("keys", "list", "--json").splitlines()
    return {row["id"]: row for row in map(json.loads, lines)}


def test_made_listed_and_revoked_while_the_server_runs(start_guarded: StartGuarded) -> None:
    server = start_guarded()
    key = server.cli("keys", "create", "--name", "CI", "--role", "reporter").strip()
    _, key_id, secret = key.split("_", 2)
    eventually(lambda: status(server, key) == 200)
    assert ask(server, "DELETE", f"{NOTIFICATIONS}/purge", key=key).status == 403

    row = rows(server)[key_id]
    assert (row["name"], row["role"], row["expires"], row["revoked"]) == ("CI", "reporter", None, None)
    shown = server.cli("keys", "list") + server.cli("keys", "list", "--json")
    assert secret not in shown
    assert "CI" in shown

    server.cli("keys", "revoke", key_id)
    eventually(lambda: status(server, key) == 401)
    assert rows(server)[key_id]["revoked"] is not None
    again = run_athena("keys", "revoke", key_id, variables={"ATHENA_DATA": str(server.data)})
    assert again.returncode == 1
    assert again.stderr.decode().count("\n") == 1
    assert status(server, server.keys["viewer"]) == 200


def test_the_list_is_whole_where_it_is_no_terminal(guarded: Guarded) -> None:
    listed = guarded.cli("keys", "list").splitlines()
    for key_id, row in rows(guarded).items():
        assert any(line.split()[0] == key_id and row["name"] in line for line in listed), listed


def test_who_watches_with_a_key_that_is_revoked_is_told_so(start_guarded: StartGuarded) -> None:
    server = start_guarded()
    key = server.keys["viewer"]
    variables = {"ATHENA_URL": server.url, "ATHENA_KEY": key}
    command = [ATHENA, "watch"]
    with subprocess.Popen(command, env=environment(**variables), stdout=PIPE, stderr=PIPE, text=True) as watching:
        eventually(lambda: sample(server, 'athena_clients{transport="websocket"}') == 1)
        server.revoke(key)
        _, complaints = watching.communicate(timeout=PATIENCE)
    assert watching.returncode == 1
    assert "give a key by ATHENA_KEY" in complaints.splitlines()[-1]


def sample(server: Guarded, name: str) -> float:
    text = ask(server, "GET", "/metrics", key=server.manager).body
    return next(float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(name))


def test_while_its_file_is_not_in_its_place_nobody_is_let_in(start_guarded: StartGuarded) -> None:
    """A key revoked then, in the replacement file, would otherwise stay valid."""
    server = start_guarded()
    key = server.keys["viewer"]
    aside = server.data / "aside.db"
    (server.data / "auth.db").rename(aside)
    eventually(lambda: status(server, key) == 503)
    refused = ask(server, "GET", NOTIFICATIONS, key=key)
    assert refused.body["code"] == "store_unavailable"
    assert "auth.db are not where they were" in refused.body["error"]
    assert status(server, None) == 503
    assert refusal(server, key=key) == (503, "store_unavailable")
    eventually(lambda: not ready(server)["access"]["ok"])
    assert ready(server)["store"]["ok"]

    aside.rename(server.data / "auth.db")
    eventually(lambda: status(server, key) == 200)
    eventually(lambda: ready(server)["access"]["ok"])
    server.revoke(key)
    eventually(lambda: status(server, key) == 401)


def ready(server: Guarded) -> dict[str, Any]:
    checks: dict[str, Any] = ask(server, "GET", "/readyz").body["checks"]
    return checks


def test_bearer_and_basic(guarded: Guarded) -> None:
    key = guarded.keys["viewer"]
    key_id, secret = key.split("_", 2)[1:]
    assert status(guarded, key) == 200
    assert status(guarded, None, {"Authorization": f"bearer  {key}"}) == 200
    assert status(guarded, None, basic(key_id, secret)) == 200
    assert status(guarded, None, basic(f"ath_{key_id}", secret)) == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": f"Bearer {new_key()}"},
        {"Authorization": "Bearer"},
        {"Authorization": "Digest x"},
        {"Authorization": "Basic \x80"},
        {"Authorization": "Basic " + base64.b64encode(b"\xff:\xff").decode()},
        {"Authorization": "Basic !"},
        basic("", ""),
        basic("' OR 1=1--", "x"),
    ],
    ids=range(8),
)
def test_wrong_ones_are_401_and_say_nothing_of_why(guarded: Guarded, headers: dict[str, str]) -> None:
    answer = ask(guarded, "GET", NOTIFICATIONS, headers=headers)
    assert (answer.status, answer.body["code"]) == (401, "bad_credentials")
    assert "Bearer" in answer.headers["www-authenticate"]


def test_a_known_id_and_a_wrong_secret_look_like_an_unknown_one(guarded: Guarded) -> None:
    known, unknown = guarded.keys["viewer"], str(new_key())
    answers = [ask(guarded, "GET", NOTIFICATIONS, key=key) for key in (known[:-43] + unknown[-43:], unknown)]
    assert answers[0].body == answers[1].body


def test_a_key_ends_at_its_time(start_guarded: StartGuarded) -> None:
    server = start_guarded()
    with closing(AuthStore(server.data)) as store:
        key = str(make_key(store, "short", "viewer", expires=int(time.time() * 1000) + 2_000))
    eventually(lambda: status(server, key) == 200)
    with websocket(server, key) as client:
        assert close_code(client) == 1008
    assert status(server, key) == 401
    assert "expired" in server.cli("keys", "list")


def test_an_expiry_is_a_time_from_now(start_guarded: StartGuarded) -> None:
    server = start_guarded()
    key = server.cli("keys", "create", "--name", "CI", "--role", "viewer", "--expires", "30d").strip()
    row = rows(server)[key.split("_")[1]]
    assert row["expires"] - row["created"] == pytest.approx(30 * 86_400_000, abs=60_000)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2999-01-31T14:00:00Z", datetime(2999, 1, 31, 14, tzinfo=UTC)),
        ("2999-01-31T14:00:00+02:00", datetime(2999, 1, 31, 12, tzinfo=UTC)),
        ("2999-01-31", datetime(2999, 1, 31).astimezone()),
    ],
)
def test_an_expiry_may_be_a_date_to_come(start_guarded: StartGuarded, text: str, expected: datetime) -> None:
    server = start_guarded()
    key = server.cli("keys", "create", "--name", "CI", "--role", "viewer", "--expires", text).strip()
    assert rows(server)[key.split("_")[1]]["expires"] == pytest.approx(expected.timestamp() * 1000, abs=10_000)


@pytest.mark.parametrize("text", ["2001-01-31", "2001-01-31T14:00:00Z", "0d", "soon"])
def test_any_other_expiry_is_refused(start_guarded: StartGuarded, text: str) -> None:
    made = run_athena(
        *("keys", "create", "--name", "CI", "--role", "viewer", "--expires", text),
        variables={"ATHENA_DATA": str(start_guarded().data)},
    )
    assert made.returncode == 2
    assert text in made.stderr.decode()


def test_no_secret_is_in_any_file_and_the_last_use_is_noted(start_guarded: StartGuarded) -> None:
    server = start_guarded()
    key = server.keys["viewer"]
    assert status(server, key) == 200
    with websocket(server, key):
        pass
    refusal(server, key[:-1])
    server.stop()
    secrets = [key.split("_", 2)[2] for key in server.keys.values()]
    files = {path.name: path.read_bytes() for path in server.data.iterdir() if path.is_file()}
    assert "auth.db" in files
    for name, content in files.items():
        if name != "manager.key":
            assert not [secret for secret in secrets if secret.encode() in content], name
    assert not [secret for secret in secrets if secret[:20] in server.log()]
    assert rows(server)[key.split("_")[1]]["last_used"] is not None
    assert rows(server)[server.keys["manager"].split("_")[1]]["last_used"] is None


def test_revoking_ends_all_that_is_live(start_guarded: StartGuarded) -> None:
    server = start_guarded()
    key, other = server.keys["viewer"], server.keys["reporter"]
    cursor = ask(server, "GET", NOTIFICATIONS, key=key).body["cursor"]
    polled: list[Any] = []
    poll = threading.Thread(
        target=lambda: polled.append(ask(server, "GET", f"{CHANGES}?after={cursor}&wait=25", key=key))
    )
    with (
        websocket(server, key) as ended,
        websocket(server, other) as stays,
        stream(server, STREAM, bearer(key)) as events,
    ):
        poll.start()
        server.cli("keys", "revoke", key)
        assert close_code(ended) == 1008
        assert b"data" not in read_to_the_end(events)
        poll.join(PATIENCE)
        # Whether it reached the server before or after: it is refused, and not with an empty response.
        assert polled[0].status == 401
        assert stays.ping().wait(PATIENCE)
    assert refusal(server, key) == (401, "bad_credentials")
    assert status(server, key) == 401


def test_the_commands_use_a_key_from_the_environment(guarded: Guarded) -> None:
    for key, expected in ((guarded.keys["viewer"], 0), (str(new_key()), 1)):
        variables = {"ATHENA_KEY": key, "ATHENA_DATA": str(guarded.data)}
        assert run_athena("history", "--url", guarded.url, variables=variables).returncode == expected


LOOK = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
print(db.execute("SELECT count(*) FROM sqlite_master").fetchone())
db.close()
"""


def test_a_look_by_another_program_takes_nothing_away(start_guarded: StartGuarded) -> None:
    """As SQLite's shell or a backup does it. The last connection to close removes the log; if a program wrongly
    believes that it is the last, a revoked key stays valid, and later writes are lost at the next start."""
    server = start_guarded()
    key = server.cli("keys", "create", "--name", "CI", "--role", "reporter").strip()
    eventually(lambda: status(server, key) == 200)
    log = server.data / "auth.db-wal"
    before = log.stat().st_ino
    looked = subprocess.run([sys.executable, "-c", LOOK, server.data / "auth.db"], check=True, capture_output=True)
    assert looked.stdout
    assert log.stat().st_ino == before
    server.cli("keys", "revoke", key.split("_")[1])
    eventually(lambda: status(server, key) == 401)


def test_a_key_that_cannot_be_revoked_is_said_to_be_valid(start_guarded: StartGuarded) -> None:
    """Whoever revokes one is in a hurry, and has to know that it is not done."""
    server = start_guarded()
    key = server.keys["viewer"]
    variables = {"ATHENA_DATA": str(server.data)}
    with closing(apsw.Connection(str(server.data / "auth.db"))) as other:
        other.execute("BEGIN IMMEDIATE")  # another program writes, and does not end
        refused = run_athena("keys", "revoke", key, variables=variables)
        made = run_athena("keys", "create", "--name", "x", "--role", "viewer", variables=variables)
        other.execute("ROLLBACK")
    assert (refused.returncode, refused.stderr.count(b"\n")) == (1, 1)
    assert "is NOT revoked, and still good" in refused.stderr.decode()
    assert "no key was made" in made.stderr.decode()
    assert status(server, key) == 200


def test_a_key_for_a_directory_that_had_none_is_made_with_a_warning(tmp_path: Path) -> None:
    made = run_athena("keys", "create", "--name", "x", "--role", "viewer", "--data", str(tmp_path / "elsewhere"))
    assert made.returncode == 0
    assert made.stdout.startswith(b"ath_")
    assert f"{tmp_path / 'elsewhere'} had no keys until now" in made.stderr.decode()
    again = run_athena("keys", "create", "--name", "y", "--role", "viewer", "--data", str(tmp_path / "elsewhere"))
    assert again.stderr == b""


def test_the_name_localhost_finds_no_key_and_says_so(start_guarded: StartGuarded) -> None:
    server = start_guarded()
    variables = {"ATHENA_DATA": str(server.data), "ATHENA_URL": f"http://localhost:{server.port}"}
    done = run_athena("history", variables=variables)
    assert done.returncode == 1
    assert "write 127.0.0.1" in done.stderr.decode()
    assert done.stderr.count(b"\n") == 1


def test_a_link_to_sign_in_has_the_address_that_people_use(start_guarded: StartGuarded) -> None:
    server = start_guarded("--behind-proxy", "127.0.0.1", "--public-url", "https://athena.example")
    link = run_athena("sign-in", variables={"ATHENA_URL": server.url, "ATHENA_KEY": server.manager}).stdout.decode()
    assert link.startswith("https://athena.example/sign-in#")
