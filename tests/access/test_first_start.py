"""The first minutes of a new user, and what other accounts on the same machine must not learn from them."""

from __future__ import annotations

import socket
import stat
import subprocess
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from tests.access.conftest import StartGuarded
from tests.access.guarded import LINKS, NOTIFICATIONS, SESSIONS, ask, eventually
from tests.e2e.calls import TXS
from tests.support.server import ATHENA, PATIENCE, Athena, environment, run_athena
from tests.support.terminal import Terminal

StartAthena = Callable[..., Athena]


def test_a_first_start_makes_one_key_that_only_its_owner_can_read(start_athena: StartAthena, tmp_path: Path) -> None:
    server = start_athena("--auth", "keys", data=tmp_path / "data")
    file = tmp_path / "data/manager.key"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    key = file.read_text().strip()
    assert ask(server, "DELETE", f"{NOTIFICATIONS}/purge", key=key).status == 200
    server.restart()
    assert file.read_text().strip() == key
    listed = run_athena("keys", "list", "--json", variables={"ATHENA_DATA": str(tmp_path / "data")})
    assert len(listed.stdout.splitlines()) == 1
    audit = run_athena("audit", variables={"ATHENA_DATA": str(tmp_path / "data")}).stdout.decode()
    assert audit.count("create a key") == 1


def test_a_start_without_the_first_key_says_how_to_get_in(start_guarded: StartGuarded) -> None:
    server = start_guarded()
    (server.data / "manager.key").unlink()
    server.restart()
    assert "athena keys create --role manager" in server.printed[1]


def test_the_link_signs_in_once(start_guarded: StartGuarded) -> None:
    server = start_guarded()
    assert f"{server.url}/sign-in#" in server.printed[1]
    answer = ask(server, "POST", SESSIONS, {"link": server.link})
    assert (answer.status, answer.body["role"]) == (201, "manager")
    again = ask(server, "POST", SESSIONS, {"link": server.link})
    assert (again.status, again.body["code"]) == (401, "bad_credentials")
    assert "set-cookie" not in again.headers
    assert server.link not in server.log()


def test_a_link_ends_by_itself(start_guarded: StartGuarded) -> None:
    server = start_guarded("--link-lifetime", "0.5")
    made = ask(server, "POST", LINKS, key=server.manager)
    assert made.status == 201
    eventually(lambda: made.body["expires"] < time.time() * 1000)
    for secret in (made.body["link"].rpartition("#")[2], server.link):
        assert ask(server, "POST", SESSIONS, {"link": secret}).status == 401


def test_a_link_ends_with_the_key_behind_it(start_guarded: StartGuarded) -> None:
    server = start_guarded()
    key = server.keys["manager"]
    link = ask(server, "POST", LINKS, key=key).body["link"].rpartition("#")[2]
    server.revoke(key)
    eventually(lambda: ask(server, "GET", NOTIFICATIONS, key=key).status == 401)
    assert ask(server, "POST", SESSIONS, {"link": link}).status == 401


@pytest.mark.parametrize("data", ["named", "found"])
def test_the_commands_find_the_key_by_themselves(start_guarded: StartGuarded, tmp_path: Path, data: str) -> None:
    """From another working directory, with and without the path of the data."""
    server = start_guarded()
    variables = {"ATHENA_URL": server.url, "XDG_STATE_HOME": str(server.state)}
    if data == "named":
        variables |= {"ATHENA_DATA": str(server.data), "XDG_STATE_HOME": str(tmp_path / "nothing")}
    away = tmp_path / "elsewhere"
    away.mkdir()

    def run(*arguments: str) -> str:
        done = run_athena(*arguments, variables=variables, cwd=away)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode()

    run("run", "-d", "a build", "--", "true")
    run("demo", "--speed", "1000")
    assert "a build" in run("history")
    ask(server, "POST", TXS, {"description": "another build"}, key=server.manager)
    with Terminal(ATHENA, "watch", variables=variables) as terminal:
        terminal.read_until("another build")
    link = run("sign-in").strip()
    assert link.startswith(f"{server.url}/sign-in#atl_")
    assert ask(server, "POST", SESSIONS, {"link": link.rpartition("#")[2]}).status == 201


def test_a_command_begun_before_athena_finds_the_key_when_it_comes_up(
    start_guarded: StartGuarded, tmp_path: Path
) -> None:
    server = start_guarded()
    server.stop()
    variables = {"ATHENA_URL": server.url, "XDG_STATE_HOME": str(server.state)}
    go_on = tmp_path / "go on"
    waiting = f"until [ -e '{go_on}' ]; do sleep 0.05; done"
    with subprocess.Popen(
        [ATHENA, "run", "-d", "a build", "--", "sh", "-c", waiting], env=environment(**variables)
    ) as run:
        try:
            server.start()
            eventually(lambda: "a build" in str(ask(server, "GET", NOTIFICATIONS, key=server.manager).body))
        finally:
            go_on.touch()
        assert run.wait(PATIENCE) == 0
    [row] = ask(server, "GET", NOTIFICATIONS, key=server.manager).body["notifications"]
    assert row["status"] == "success"


class Listener(HTTPServer):
    """Another process on a port: records incoming requests."""

    def __init__(self, address: tuple[str, int], family: int = socket.AF_INET) -> None:
        self.address_family = family
        self.got: list[dict[str, str]] = []
        listener = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                listener.got.append({name.lower(): value for name, value in self.headers.items()})
                self.send_error(404)

            do_POST = do_GET  # noqa: N815

            def log_message(self, *_: Any) -> None:
                pass

        super().__init__(address, Handler)
        self.thread = threading.Thread(target=self.serve_forever, args=(0.01,))
        self.thread.start()

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.thread.join()
        self.server_close()


def test_no_key_goes_to_whoever_took_the_port(start_guarded: StartGuarded) -> None:
    server = start_guarded()
    variables = {"ATHENA_DATA": str(server.data), "XDG_STATE_HOME": str(server.state)}
    server.kill()  # so that it cannot clean up
    with Listener(("127.0.0.1", server.port)) as other:
        for command in (("history",), ("sign-in",)):
            assert run_athena(*command, "--url", server.url, variables=variables).returncode == 1
        assert other.got
        assert not [headers for headers in other.got if "authorization" in headers]


def test_no_key_goes_to_another_address_with_the_same_port(start_guarded: StartGuarded) -> None:
    """`localhost` may mean ::1 first, where another account can listen."""
    server = start_guarded()
    variables = {"ATHENA_DATA": str(server.data), "XDG_STATE_HOME": str(server.state)}
    with Listener(("::1", server.port), socket.AF_INET6) as other:
        run_athena("history", "--url", f"http://[::1]:{server.port}", variables=variables)
        assert other.got
        assert not [headers for headers in other.got if "authorization" in headers]


def refused(*flags: str, data: Path) -> str:
    """The one-line output of a start that must fail."""
    done = run_athena("serve", "--port", "0", "--data", str(data), *flags)
    assert done.returncode == 1, done.stdout
    said = done.stderr.decode()
    assert said.count("\n") == 1, said
    return said


def test_without_access_control_only_loopback(tmp_path: Path) -> None:
    for host, more in (("0.0.0.0", ("--insecure",)), ("::", ("--behind-proxy", "10.0.0.1"))):
        said = refused("--auth", "none", "--host", host, *more, data=tmp_path / "data")
        assert "loopback" in said
        assert "--auth" in said


def test_a_link_that_leads_to_every_address_says_so(start_guarded: StartGuarded) -> None:
    """The link cannot be opened from another machine as it is."""
    server = start_guarded("--host", "0.0.0.0", "--insecure")
    assert "http://0.0.0.0:" in server.printed[1]
    assert "--public-url" in server.printed[2]
    named = start_guarded("--host", "0.0.0.0", "--insecure", "--public-url", "http://athena.example")
    assert "http://athena.example/sign-in#" in named.printed[1]
    assert "--public-url" not in named.printed[2]


def test_beyond_loopback_without_tls_says_what_to_do(tmp_path: Path) -> None:
    said = refused("--host", "0.0.0.0", data=tmp_path / "data")
    for flag in ("--tls-cert", "--tls-key", "--behind-proxy", "--insecure"):
        assert flag in said
    assert "in the clear" in said


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (("--behind-proxy", "proxy.example"), "--behind-proxy"),
        (("--allow-origin", "*"), "--allow-origin"),
        (("--public-url", "athena.example"), "--public-url"),
        (("--jwks-url", "https://x.example"), "--jwt-issuer"),
    ],
)
def test_settings_that_contradict_each_other(tmp_path: Path, flags: tuple[str, ...], says: str) -> None:
    assert says in refused(*flags, data=tmp_path / "data")
