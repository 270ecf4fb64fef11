"""Limits: a client that reaches one is told so, and other clients are not affected."""

from __future__ import annotations

from contextlib import ExitStack

from tests.access.conftest import StartGuarded
from tests.access.guarded import (
    CHANGES,
    NOTIFICATIONS,
    SESSIONS,
    STREAM,
    Guarded,
    ask,
    bearer,
    connection_to,
    eventually,
    page,
    refusal,
    sign_in,
    stream,
    websocket,
)
from tests.e2e.calls import BULK, TXS, Answer

from athena.auth.secrets import new_key

BEHIND = ("--behind-proxy", "127.0.0.1")


def via(address: str) -> dict[str, str]:
    """The header that the proxy on this machine sends."""
    return {"X-Forwarded-For": address, "X-Forwarded-Proto": "https"}


def check_too_many(answer: Answer) -> None:
    assert (answer.status, answer.body["code"]) == (429, "too_many")
    assert int(answer.headers["retry-after"]) >= 1


def test_sizes(start_guarded: StartGuarded) -> None:
    server = start_guarded("--max-head-bytes", "2000", "--max-body-bytes", "500", "--max-bulk-bytes", "1000")
    key = server.manager
    assert ask(server, "GET", NOTIFICATIONS, key=key, headers={"X": "x" * 1_000}).status == 200
    assert ask(server, "GET", NOTIFICATIONS, key=key, headers={"X": "x" * 5_000}).status in (400, 431)
    assert ask(server, "POST", TXS, {"description": "x"}, key=key).status == 201
    for path, limit in ((TXS, 500), (SESSIONS, 500), (BULK, 1_000)):
        answer = ask(server, "POST", path, {"description": "x" * limit}, key=key)
        assert answer.status == 400, answer
        assert f"{limit:,}" in answer.body["error"]
    assert ask(server, "GET", NOTIFICATIONS, key=key).body["total"] == 1


def test_a_head_that_does_not_come(start_guarded: StartGuarded) -> None:
    server = start_guarded("--handshake-timeout", "0.3")
    connection = connection_to(server)
    connection.connect()
    connection.sock.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n")
    try:
        assert connection.sock.recv(1) == b""
    except ConnectionResetError:
        pass
    finally:
        connection.close()
    assert ask(server, "GET", NOTIFICATIONS, key=server.manager).status == 200


def test_requests_of_a_viewer(start_guarded: StartGuarded) -> None:
    server = start_guarded("--viewer-rate", "0.5")
    key = server.keys["viewer"]
    answers = [ask(server, "GET", NOTIFICATIONS, key=key) for _ in range(12)]
    assert [answer.status for answer in answers[:5]] == [200] * 5
    check_too_many(next(answer for answer in answers if answer.status != 200))
    with websocket(server, key):
        pass  # a live connection is not a request: it has a separate limit
    assert ask(server, "GET", NOTIFICATIONS, key=server.keys["reporter"]).status == 200


def test_sessions_give_no_more_requests_than_the_key_behind_them(start_guarded: StartGuarded) -> None:
    server = start_guarded("--viewer-rate", "0.5")
    cookies = [sign_in(server, server.keys["viewer"]) for _ in range(2)]  # two of five
    answers = [ask(server, "GET", NOTIFICATIONS, headers=page(server, cookies[n % 2])) for n in range(10)]
    assert [answer.status for answer in answers[:3]] == [200] * 3
    check_too_many(answers[-1])
    check_too_many(ask(server, "POST", SESSIONS, {"key": server.keys["viewer"]}))


def test_a_sign_in_is_short(guarded: Guarded) -> None:
    answer = ask(guarded, "POST", SESSIONS, {"key": "x" * 9_000})
    assert (answer.status, answer.body["code"]) == (400, "body_too_large")


def test_requests_of_a_reporter(start_guarded: StartGuarded) -> None:
    server = start_guarded("--producer-rate", "0.5")
    answers = [ask(server, "POST", TXS, {"description": "x"}, key=server.keys["reporter"]) for _ in range(12)]
    check_too_many(next(answer for answer in answers if answer.status != 201))
    made = sum(answer.status == 201 for answer in answers)
    assert ask(server, "GET", NOTIFICATIONS, key=server.keys["viewer"]).body["total"] == made


def test_wrong_keys_are_limited_and_slow_for_nobody_else(start_guarded: StartGuarded) -> None:
    server = start_guarded(*BEHIND, "--bad-credentials", "5")
    flood = [ask(server, "GET", NOTIFICATIONS, key=str(new_key()), headers=via("203.0.113.9")) for _ in range(30)]
    assert [answer.status for answer in flood[:5]] == [401] * 5
    check_too_many(flood[-1])
    wrong = {"key": str(new_key())}
    check_too_many(ask(server, "POST", SESSIONS, wrong, headers=via("203.0.113.9")))
    good = {"key": server.keys["viewer"]}
    assert ask(server, "POST", SESSIONS, good, headers=via("203.0.113.9")).status == 201
    assert ask(server, "GET", NOTIFICATIONS, key=server.keys["viewer"], headers=via("203.0.113.9")).status == 200
    assert ask(server, "POST", SESSIONS, wrong, headers=via("203.0.113.10")).status == 401


def test_no_address_escapes_its_limit_by_what_it_says_of_itself(start_guarded: StartGuarded) -> None:
    """Ignored are the entries left of the address that the proxy saw; without a proxy, the whole header."""
    behind, bare = start_guarded(*BEHIND, "--bad-credentials", "5"), start_guarded("--bad-credentials", "5")
    for server in (behind, bare):
        last = 0
        for number in range(8):
            said = f"198.51.100.{number}, 203.0.113.9" if server is behind else f"198.51.100.{number}"
            last = ask(server, "GET", NOTIFICATIONS, key=str(new_key()), headers=via(said)).status
        assert last == 429
    addresses = {entry.address for entry in (behind.audited("use bad credentials", "denied"),)}
    assert addresses == {"203.0.113.9"}
    assert bare.audited("use bad credentials", "denied").address == "127.0.0.1"
    cookie = ask(bare, "POST", SESSIONS, {"key": bare.manager}, headers=via("203.0.113.9")).headers["set-cookie"]
    assert "Secure" not in cookie


def test_connections_of_an_address(start_guarded: StartGuarded) -> None:
    server = start_guarded(*BEHIND, "--connections-per-address", "2")
    key = server.keys["viewer"]
    here, there = via("203.0.113.9"), via("203.0.113.10")
    with ExitStack() as open_:
        open_.enter_context(websocket(server, key, headers=here))
        open_.enter_context(stream(server, STREAM, {**bearer(key), **here}))
        assert refusal(server, key, headers=here) == (429, "too_many")
        check_too_many(ask(server, "GET", STREAM, key=key, headers=here))
        check_too_many(ask(server, "GET", f"{CHANGES}?wait=1", key=key, headers=here))
        assert ask(server, "GET", NOTIFICATIONS, key=key, headers=here).status == 200
        open_.enter_context(websocket(server, key, headers=there))
        for _ in range(4):  # from this machine: not counted
            open_.enter_context(websocket(server, key))
    _all_given_back(server, key, here, 2)


def test_connections_of_an_identity(start_guarded: StartGuarded) -> None:
    server = start_guarded("--connections-per-identity", "2")
    key = server.keys["viewer"]
    with websocket(server, key), stream(server, STREAM, bearer(key)):
        assert refusal(server, key) == (429, "too_many")
        check_too_many(ask(server, "GET", STREAM, key=key))
        with websocket(server, server.keys["reporter"]):
            pass
    _all_given_back(server, key, {}, 2)


def _all_given_back(server: Guarded, key: str, headers: dict[str, str], places: int) -> None:
    """The same number may connect again, once the server has noticed that the others are gone."""

    def all_at_once() -> bool:
        with ExitStack() as open_:
            try:
                for _ in range(places):
                    open_.enter_context(websocket(server, key, headers=headers))
            except Exception:
                return False
            return True

    assert eventually(all_at_once)
    for _ in range(5):  # a finished request does not keep its slot
        ask(server, "GET", f"{CHANGES}?wait=0", key=key, headers=headers)
    assert eventually(all_at_once)
