"""`athena history`: the table, the JSON lines, one transaction; in a pipe and in a terminal."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import datetime

import pytest
from tests.support.server import ATHENA, Athena, run_athena
from tests.support.terminal import Terminal

from athena.cli.history import moment

NOW = 1_700_000_000_000


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("30s", NOW - 30_000),
        ("90m", NOW - 90 * 60_000),
        ("2h", NOW - 2 * 3_600_000),
        (" 7 d ", NOW - 7 * 86_400_000),
        ("1w", NOW - 7 * 86_400_000),
        ("999999999w", 0),
        ("2023-11-14T22:13:20Z", NOW),
        ("2023-11-14T23:13:20+01:00", NOW),
        ("1960-01-01T00:00:00Z", 0),
    ],
)
def test_moment(text: str, expected: int) -> None:
    assert moment(text, NOW) == expected


def test_a_moment_without_a_zone_is_local() -> None:
    assert moment("2026-01-31", NOW) == datetime(2026, 1, 31).timestamp() * 1000  # noqa: DTZ001
    assert moment("2026-01-31 14:05", NOW) == datetime(2026, 1, 31, 14, 5).timestamp() * 1000  # noqa: DTZ001


@pytest.mark.parametrize("text", ["", "tomorrow", "2h ago", "-2h", "2026-13-01", "1.5h", "²h"])
def test_no_moment(text: str) -> None:
    with pytest.raises(ValueError, match="expected 2026-01-31"):
        moment(text, NOW)


# ---- the command -----------------------------------------------------------------------------------------------------
def history(athena: Athena, *arguments: str) -> list[str]:
    done = run_athena("history", "--url", athena.url, *arguments)
    assert (done.returncode, done.stderr) == (0, b"")
    return done.stdout.decode().splitlines()


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Athena]:
    """A server with two finished transactions, one active one, and two notices, one of them archived.

    Read-only: all tests of this module share it.
    """
    with Athena(tmp_path_factory.mktemp("history") / "data") as athena:
        _fill(athena)
        yield athena


def _fill(athena: Athena) -> None:
    opens = [
        {"tx_id": "one", "description": "deploy", "by": "lee", "component_id": "shop", "total_steps": 2},
        {"tx_id": "two", "description": "[bold]import[/bold] \x1b[31m", "sub_type": "template"},
        {"tx_id": "three", "description": "x" * 256, "on_step": 1},
    ]
    for opening in opens:
        assert athena.request("POST", "/api/v3/webhooks/txs", opening)[0] == 201
    edits = [
        ("one", {"status": "pending", "on_step": 1, "athena_msg": "first"}),
        ("one", {"status": "success", "on_step": 2, "athena_msg": "done"}),
        ("two", {"status": "error"}),
    ]
    for tx_id, edit in edits:
        assert athena.request("PUT", f"/api/v3/webhooks/txs/{tx_id}", edit)[0] == 200
    for message in ("disk full", "put away"):
        status, answer = athena.request("POST", "/api/v3/notifications", {"status": "error", "message": message})
        assert status in (200, 201)
    athena.request("POST", "/api/v3/notifications/bulk", {"notification_ids": [answer["id"]]})


def test_an_empty_history(athena: Athena) -> None:
    assert history(athena) == ["no notifications"]
    assert history(athena, "--json") == []


def test_the_table_in_a_pipe_cuts_nothing(filled: Athena) -> None:
    header, going_on, *finished = history(filled)
    assert header.split() == ["STATUS", "WHEN", "TOOK", "STEP", "MESSAGE", "BY", "ID"]
    assert going_on.startswith("pending ")
    assert "x" * 256 in going_on
    assert {line.split()[0] for line in finished} == {"error", "success"}
    [deploy] = [line for line in finished if "deploy" in line]
    assert re.fullmatch(r"success  \d{4}-\d\d-\d\d \d\d:\d\d:\d\d   0 s   2/2  deploy: done +lee  one", deploy)
    assert any("[bold]import[/bold] �[31m: no error message was given" in line for line in finished)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--status", "success"), {"one"}),
        (("--status", "success", "--status", "pending"), {"one", "three"}),
        (("--type", "webhook_tx"), {"one", "two", "three"}),
        (("--sub-type", "template"), {"two"}),
        (("--component-id", "shop"), {"one"}),
        (("--by", "lee"), {"one"}),
        (("--search", "DEPLOY"), {"one"}),
        (("--type", "webhook_tx", "--from", "1h"), {"one", "two", "three"}),
        (("--to", "1h"), set()),
        (("--from", "2000-01-01", "--to", "2001-01-01T00:00"), set()),
        (("--limit", "1"), {"three"}),
    ],
)
def test_filters(filled: Athena, options: tuple[str, ...], expected: set[str]) -> None:
    assert {json.loads(line)["id"] for line in history(filled, "--json", *options)} == expected


def test_archived_ones_are_shown_on_request(filled: Athena) -> None:
    assert not any("put away" in line for line in history(filled))
    assert any("put away" in line for line in history(filled, "--archived"))


def test_json_is_what_the_api_gives(filled: Athena) -> None:
    _, page = filled.request("GET", "/api/v3/notifications")
    assert [json.loads(line) for line in history(filled, "--json")] == page["notifications"]


def test_more_than_one_page(athena: Athena) -> None:
    opens = [{"op": "open", "tx_id": f"t{index}", "description": "x"} for index in range(2500)]
    athena.request("POST", "/api/v3/webhooks/txs/bulk", opens)
    assert len(history(athena, "--json", "--limit", "2400")) == 2400
    assert len({json.loads(line)["id"] for line in history(athena, "--json", "--limit", "9999")}) == 2500


def test_one_transaction_step_by_step(filled: Athena) -> None:
    output = "\n".join(history(filled, "one"))
    assert re.search(r"^description +deploy$", output, re.MULTILINE)
    assert re.search(r"^step +2/2$", output, re.MULTILINE)
    changes = output.partition("WHEN")[2].splitlines()[1:]
    assert [line.split(maxsplit=4)[4].split() for line in changes] == [
        ["pending", "-/2"],
        ["pending", "1/2", "first"],
        ["success", "2/2", "done"],
    ]
    [line] = history(filled, "one", "--json")
    assert len(json.loads(line)["changes"]) == 3


def test_a_transaction_that_goes_on_has_no_end(filled: Athena) -> None:
    output = "\n".join(history(filled, "three"))
    assert "so far" in output
    assert "completed" not in output


def test_an_unknown_transaction_is_one_line(athena: Athena) -> None:
    done = run_athena("history", "--url", athena.url, "nothing")
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr.startswith(b"athena: expected the id of a transaction, got 'nothing'")
    assert done.stderr.count(b"\n") == 1


@pytest.mark.parametrize("columns", [80, 160])
def test_in_a_terminal_it_fits(filled: Athena, columns: int) -> None:
    with Terminal(ATHENA, "history", "--url", filled.url, columns=columns) as terminal:
        assert terminal.wait() == 0
        assert all(len(line) <= columns for line in terminal.screen)
        assert any("deploy: done" in line for line in terminal.screen)
        assert any(line.endswith("one · lee" if columns == 80 else "lee  one") for line in terminal.screen)
        assert b"\x1b[31m:" not in terminal.output  # the sequence from the description
        assert "".join(terminal.screen).count("x") >= 256  # folded, not cut


@pytest.mark.parametrize(
    "options",
    [
        ("--status", "over"),
        ("--type", "mail"),
        ("--limit", "0"),
        ("--limit", "x"),
        ("--from", "tomorrow"),
        ("--url", "x"),
    ],
)
def test_wrong_usage(options: tuple[str, ...]) -> None:
    done = run_athena("history", *options)
    assert (done.returncode, done.stdout) == (2, b"")
    assert options[0].encode() in done.stderr
