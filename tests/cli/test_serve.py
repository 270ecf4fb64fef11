"""`athena serve`: its flags are the table of settings, and a server that cannot start says why in one line."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.e2e.calls import Deadline
from tests.support.server import ATHENA, Athena, run_athena
from tests.support.terminal import Terminal

from athena.config import SETTINGS, Setting

SERVER_SETTINGS = [setting for setting in SETTINGS if not setting.client]


@pytest.fixture(scope="module")
def help_text() -> str:
    return " ".join(run_athena("serve", "--help").stdout.decode().split())


@pytest.mark.parametrize("setting", SERVER_SETTINGS, ids=lambda setting: setting.name)
def test_each_setting_is_a_flag_with_its_variable_default_and_help(setting: Setting, help_text: str) -> None:
    assert f" {setting.flag} " in help_text
    assert setting.help in help_text
    default = "" if setting.default in ("", False) else f"; default: {setting.default}"
    # Without whitespace: a long default may be broken in the middle.
    assert f"[env var: {setting.variable}{default}]".replace(" ", "") in help_text.replace(" ", "")


def test_there_are_no_other_flags(help_text: str) -> None:
    flags = {word.rstrip(".,") for word in help_text.partition("Options:")[2].split() if word.startswith("--")}
    assert flags == {setting.flag for setting in SERVER_SETTINGS} | {"--help"}  # flags in texts are settings, too


def test_a_flag_goes_before_the_variable(tmp_path: Path) -> None:
    variables = {"ATHENA_PORT": "1", "ATHENA_LOG_LEVEL": "warning", "ATHENA_DATA": "/dev/null"}
    with Athena(tmp_path / "data", variables=variables) as athena:
        assert athena.port != 1
        assert athena.request("GET", "/healthz")[0] == 200
        assert "INFO" not in athena.log()
        athena.stop()
    assert (tmp_path / "data").is_dir()


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (("--port", "70000"), "--port: expected 0 to 65535, got 70000"),
        (("--auth", "magic"), "--auth: expected keys or none, got 'magic'"),
        (("--log-level", "loud"), "--log-level: expected debug"),
        (("--tail-bytes", "0"), "--tail-bytes or ATHENA_TAIL_BYTES: expected a number above 0"),
        (("--data", "/dev/null/x"), "expected a usable data directory, got /dev/null/x"),
        (("--host", "0.0.0.0"), "expected --tls-cert and --tls-key"),
        (("--host", "0.0.0.0", "--auth", "none"), "expected a loopback address"),
        (("--tls-cert", "/dev/null"), "expected a certificate (--tls-cert) and its private key (--tls-key)"),
        (
            ("--tls-cert", "/none.pem", "--tls-key", "/none.pem"),
            "expected a certificate (--tls-cert) and its private key",
        ),
        (("--public-url", "athena.example"), "--public-url: expected an origin"),
        (("--frame-ancestors", "x; script-src *"), "--frame-ancestors: expected sources"),
        (("--allow-origin", "*.example.com"), "--allow-origin: expected an origin"),
        (("--jwt-issuer", "https://id.example"), "--jwt-audience: expected the audience"),
    ],
)
def test_what_keeps_it_from_starting_is_one_line(tmp_path: Path, flags: tuple[str, ...], expected: str) -> None:
    done = run_athena("serve", "--port", "0", "--data", str(tmp_path), *flags)
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr.decode().startswith(f"athena: {expected}")
    assert done.stderr.count(b"\n") == 1


@pytest.mark.parametrize("flags", [("--port", "http"), ("--ping-interval", "often"), ("--url", "http://x"), ("x",)])
def test_wrong_usage(flags: tuple[str, ...]) -> None:
    done = run_athena("serve", *flags)
    assert done.returncode == 2
    assert b"Usage: athena serve" in done.stderr


@pytest.mark.parametrize("taken", ["port", "data"])
def test_a_port_or_directory_in_use_is_said_in_one_line(athena: Athena, tmp_path: Path, taken: str) -> None:
    port = athena.port if taken == "port" else 0
    data = athena.data if taken == "data" else tmp_path / "other"
    done = run_athena("serve", "--port", str(port), "--data", str(data))
    assert done.returncode == 1
    assert done.stderr.decode().splitlines()[-1].startswith("athena: expected a ")
    assert b"Traceback" not in done.stderr


def test_ctrl_c_ends_it_well(tmp_path: Path) -> None:
    with Terminal(ATHENA, "serve", "--port", "0", "--data", str(tmp_path / "data")) as terminal:
        terminal.read_until(r"Athena is listening on http://127\.0\.0\.1:\d+")
        terminal.press(b"\x03")
        assert terminal.wait() == 0
        assert b"Traceback" not in terminal.output


def has_logged(athena: Athena, text: str) -> None:
    """Now or soon: a thread writes the log."""
    deadline = Deadline()
    while text not in athena.log():
        assert not deadline.passed, athena.log()


def test_a_misspelled_variable_is_reported(tmp_path: Path) -> None:
    with Athena(tmp_path / "data", variables={"ATHENA_KEEPDAYS": "4"}) as athena:
        has_logged(athena, "ATHENA_KEEPDAYS is set and no setting of Athena")


def test_a_start_that_is_not_ready_says_why(tmp_path: Path) -> None:
    with Athena(tmp_path / "data", "--min-free-bytes", str(10**14)) as athena:
        has_logged(athena, "fewer than --min-free-bytes")


def test_a_stopped_server_leaves_no_word_of_its_port(tmp_path: Path) -> None:
    state = tmp_path / "state"
    with Athena(tmp_path / "data", variables={"XDG_STATE_HOME": str(state)}) as athena:
        assert [file.name for file in (state / "athena").iterdir()] == [f"port-{athena.port}"]
        athena.stop()
    assert list((state / "athena").iterdir()) == []
    assert not (tmp_path / "data/address").exists()
