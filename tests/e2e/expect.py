"""What a client receives by the contract: exact fields, order, and the resulting states."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from tests.e2e.calls import (
    ARCHIVE,
    BULK,
    NOTIFICATIONS,
    TXS,
    edit,
    history,
    new_id,
    now_ms,
    ok,
    open_tx,
)
from tests.e2e.subscribers import Message, Subscriber
from tests.support.server import Athena

STATES = ("webhook_tx", "notification")
"""The types of messages that hold the whole state of one row of the history."""


def seq_of(cursor: str) -> int:
    """The position in the order of changes. Cursors are opaque to clients; only tests parse them."""
    return int(cursor.rpartition(".")[2])


def is_time(value: object) -> bool:
    """UTC Unix milliseconds (no seconds, no microseconds, no floats)."""
    return type(value) is int and 1_500_000_000_000 < value < 5_000_000_000_000


@dataclass(frozen=True)
class Expected:
    """One expected message. `fields` are exact and complete, except for times and cursor.

    `started` and `completed` are (earliest, latest) in ms; None when the field must be absent.
    """

    fields: dict[str, Any]
    started: tuple[int, int] | None = None
    completed: tuple[int, int] | None = None
    displayed: int | None = None

    def check(self, message: Message) -> None:
        got = dict(message)
        cursor = got.pop("cursor", None)
        assert isinstance(cursor, str), message
        assert cursor, message
        if self.fields["type"] in STATES:
            self._check_times(got)
        assert got == self.fields, message
        for name in ("on_step", "total_steps"):
            assert type(got.get(name, 0)) is int, message

    def _check_times(self, got: Message) -> None:
        display = got.pop("ts_display", None)
        assert is_time(display) or display == self.displayed, got
        for name, window in (("ts_started", self.started), ("ts_completed", self.completed)):
            if window is None:
                assert name not in got, got
            else:
                value = got.pop(name, None)
                assert is_time(value), f"{name}: {value} in {got}"
                assert window[0] <= value <= window[1], f"{name}: {value} is outside {window}"
                # Displayed at its start while it is active, at its end afterwards.
                if name == "ts_completed" or self.completed is None:
                    assert display == value, f"ts_display {display}, {name} {value}"
        if self.displayed is not None:
            assert display == self.displayed, got


@dataclass
class Story:
    """Changes made on a server, and the message that subscribers must receive for each.

    Every method makes one change over HTTP and appends the messages pushed for it to `expected`, in order.
    """

    athena: Athena
    expected: list[Expected] = field(default_factory=list)
    _started: dict[str, tuple[int, int]] = field(default_factory=dict)

    def opens(self, pushed: dict[str, Any], **members: Any) -> str:
        before = now_ms()
        tx_id = open_tx(self.athena, **members)
        self._started[tx_id] = (before, now_ms())
        fields = {"type": "webhook_tx", "sub_type": None, "id": tx_id, "status": "pending", "by": "-", **pushed}
        self.expected.append(Expected(fields, self._started[tx_id]))
        return tx_id

    def edits(self, tx_id: str, pushed: dict[str, Any], status: str = "pending", **members: Any) -> None:
        before = now_ms()
        edit(self.athena, tx_id, status, **members)
        fields = {"type": "webhook_tx", "sub_type": None, "id": tx_id, "status": status, "by": "-", **pushed}
        completed = (before, now_ms()) if status in ("success", "error") else None
        self.expected.append(Expected(fields, self._started[tx_id], completed))

    def notes(self, pushed: dict[str, Any], **members: Any) -> str:
        answer = ok(self.athena, "POST", NOTIFICATIONS, members)
        fields = {"type": "notification", "id": answer["id"], "by": "-", **pushed}
        self.expected.append(Expected(fields, displayed=members.get("ts_display")))
        notice_id: str = answer["id"]
        return notice_id

    def archives(self, ids: list[str]) -> None:
        ok(self.athena, "POST", ARCHIVE, {"notification_ids": ids})
        self.expected.append(Expected({"type": "archived", "ids": ids}))

    def check(self, subscriber: Subscriber) -> list[Message]:
        """Receive exactly the expected messages from `subscriber`, in order -> the messages."""
        end = open_tx(self.athena)
        messages = subscriber.receive_until(lambda message: message.get("id") == end)[:-1]
        self.check_messages(messages)
        return messages

    def check_messages(self, messages: list[Message]) -> None:
        assert len(messages) == len(self.expected), [(m["type"], m.get("id"), m.get("message")) for m in messages]
        for message, expected in zip(messages, self.expected, strict=True):
            expected.check(message)
        check_order(messages)


def tell_everything(athena: Athena) -> Story:
    """A story with every kind of message and every field of docs/live.md."""
    story = Story(athena)

    plain = story.opens({"message": "move the data"}, description="move the data")
    says = "move the data: copying"
    story.edits(
        plain, {"message": says, "on_step": 1, "total_steps": 3}, athena_msg="copying", on_step=1, total_steps=3
    )
    # Nothing that a client would see: the deadline moves, no message is sent.
    edit(athena, plain, athena_msg="copying", on_step=1, total_steps=3)
    edit(athena, plain)
    # A step beyond the last counts as the last one; the message stays unchanged.
    story.edits(plain, {"message": says, "on_step": 3, "total_steps": 3}, on_step=4)
    story.edits(
        plain,
        {"message": "move all: done", "on_step": 3, "total_steps": 3},
        "success",
        athena_msg="done",
        description="move all",
    )
    # Sent twice: there is no second message.
    edit(athena, plain, "success", athena_msg="done")

    templated = {"sub_type": "template", "by": "d******a@us.ibm.com", "total_steps": 2}
    undone = story.opens(
        {**templated, "message": "set up: Grüße, 世界 🚀 <b>", "on_step": 0}, description="set up",
        athena_msg="Grüße, 世界 🚀 <b>", sub_type="template", by="dolorosa@us.ibm.com", on_step=0, total_steps=2,
    )  # fmt: skip
    story.edits(undone, {**templated, "message": "set up: half", "on_step": 2}, athena_msg="half", on_step=2)
    story.edits(
        undone,
        {**templated, "message": "set up: rolling back", "on_step": 1},
        "undoing",
        athena_msg="rolling back",
        on_step=1,
    )
    story.edits(undone, {**templated, "message": "set up: no error message was given", "on_step": 1}, "error")

    story.notes({"status": "success", "message": "all is well"}, status="success", message="all is well")
    story.notes(
        {"status": "error", "message": "an alarm", "by": "b**@example.org"},
        status="error", message="an alarm", by="bob@example.org", ts_display=1_600_000_000_123, component_id="c1",
        component_type="sensor", component_display_name="Sensor 1", api="/probe", code=500, elapsed_ms=12,
        action_verb="probe",
    )  # fmt: skip
    story.archives([plain, undone])

    # A bulk is one commit but still one message per change.
    before, tx_id = now_ms(), new_id()
    ok(athena, "POST", BULK, [
        {"op": "open", "tx_id": tx_id, "description": "bulk"},
        {"op": "edit", "tx_id": tx_id, "status": "pending", "on_step": 7},
        {"op": "edit", "tx_id": tx_id, "status": "success"},
    ])  # fmt: skip
    window = (before, now_ms())
    base = {"type": "webhook_tx", "sub_type": None, "id": tx_id, "by": "-", "message": "bulk"}
    story.expected += [
        Expected({**base, "status": "pending"}, window),
        Expected({**base, "status": "pending", "on_step": 7}, window),
        Expected({**base, "status": "success", "on_step": 7}, window, window),
    ]
    return story


# ---- order and sums --------------------------------------------------------------------------------------------------
def check_order(messages: Iterable[Message]) -> list[int]:
    """Every position is greater than the previous one, so there are no duplicates -> the positions."""
    seqs = [seq_of(message["cursor"]) for message in messages if message["type"] not in ("ready", "reset")]
    for earlier, later in pairwise(seqs):
        assert earlier < later, f"position {later} after {earlier}"
    return seqs


def check_gapless(messages: Iterable[Message]) -> None:
    """No change is missing between the first message and the last. An `archived` one counts for all its ids."""
    last: int | None = None
    for message in messages:
        if message["type"] in ("ready", "reset"):
            continue
        seq = seq_of(message["cursor"])
        width = len(message["ids"]) if message["type"] == "archived" else 1
        if last is not None:
            assert seq == last + width, f"expected position {last + width}, got {seq}: {message}"
        last = seq


def fold(messages: Iterable[Message]) -> dict[str, Message]:
    """The state of a client after these messages: the latest state of each id, without archived ones."""
    states: dict[str, Message] = {}
    for message in messages:
        assert message["type"] != "reset", "reset: the position was given up"
        if message["type"] == "archived":
            for gone in message["ids"]:
                states.pop(gone, None)
        elif message["type"] in STATES:
            states[message["id"]] = message
    return states


def check_fold(states: dict[str, Message], rows: list[dict[str, Any]]) -> None:
    """The folded states equal the history, field by field."""
    by_id = {row["id"]: row for row in rows}
    assert len(by_id) == len(rows), "an id is twice in the history"
    missing, surplus = by_id.keys() - states.keys(), states.keys() - by_id.keys()
    assert not missing, f"in the history, never received: {sorted(missing)[:5]} ({len(missing)})"
    assert not surplus, f"received, not in the history: {sorted(surplus)[:5]} ({len(surplus)})"
    for row in rows:
        state = {name: value for name, value in states[row["id"]].items() if name != "cursor"}
        assert state == {name: row[name] for name in state if name in row}, (states[row["id"]], row)
        for name in ("on_step", "total_steps", "ts_completed"):
            assert (name in state) == (name in row), (name, state, row)


def check_fold_against(athena: Athena, messages: Iterable[Message]) -> None:
    check_fold(fold(messages), history(athena))


def tx_path(tx_id: str) -> str:
    return f"{TXS}/{tx_id}"
