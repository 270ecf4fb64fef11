from collections.abc import Sequence
from typing import get_args, get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from athena.domain.lifecycle import NO_ERROR_MESSAGE, RULES, TIMED_OUT, TRANSITIONS, decide, diagram
from athena.domain.model import ArchiveOne, Command, Edit, Expire, Notice, Notification, Open, Status
from athena.errors import (
    Conflict,
    IllegalTransition,
    NotFound,
    StepRegression,
    TransactionExists,
    TransactionFinished,
    UnknownTransaction,
)

NOW = 1_700_000_000_000


def apply(
    operation: Open | Edit | Notice | Expire | ArchiveOne,
    current: Notification | None = None,
    now: int = NOW,
    seq: int = 7,
) -> Notification:
    state = decide(Command("tx", operation), current, now, seq)
    assert state is not None
    return state


def opened(**changes: object) -> Notification:
    return apply(Open(description="install", **changes))  # type: ignore[arg-type]


# ---- open ------------------------------------------------------------------------------------------------------------
def test_open_makes_a_pending_transaction() -> None:
    operation = Open(
        description="install", by="dshuffma@us.ibm.com", total_steps=3, on_step=1, athena_msg="go", sub_type="x"
    )
    state = apply(operation)
    assert state.seq == 7
    assert (state.status, state.text, state.by, state.seq) == ("pending", "install: go", "d******a@us.ibm.com", 7)
    assert (state.ts_started, state.ts_display, state.ts_completed) == (NOW, NOW, None)
    assert (state.deadline, state.timeout_ms, state.on_step, state.total_steps) == (NOW + 180_000, 180_000, 1, 3)


def test_open_without_a_message_shows_the_description_alone_and_nobody_is_a_dash() -> None:
    state = opened(athena_msg="")
    assert (state.text, state.message, state.by) == ("install", None, "-")


def test_opening_again_with_the_same_content_changes_nothing() -> None:
    operation = Open(description="install", by="dora@x.org")
    state = apply(operation)
    edited = apply(Edit(status="pending", athena_msg="further", description="other"), state)
    assert apply(operation, edited, NOW + 5) is edited
    assert apply(Open(description="install", by="dora@x.org", id="tx"), edited) is edited


@pytest.mark.parametrize("other", [{"by": "bob@x.org"}, {"total_steps": 2}, {"timeout_ms": 1}, {"component_id": "c"}])
def test_opening_again_with_other_content_is_a_conflict(other: dict[str, object]) -> None:
    with pytest.raises(TransactionExists):
        apply(Open(description="install", **other), opened())  # type: ignore[arg-type]


# ---- edit ------------------------------------------------------------------------------------------------------------
def test_an_edit_moves_it_on() -> None:
    state = apply(Edit(status="pending", on_step=2, athena_msg="unpacking"), opened(total_steps=3), NOW + 10, seq=8)
    assert state.seq == 8
    assert (state.on_step, state.text, state.deadline) == (2, "install: unpacking", NOW + 10 + 180_000)
    assert (state.ts_display, state.ts_completed) == (NOW, None)


@pytest.mark.parametrize("status", ["success", "error"])
def test_a_final_edit_ends_it(status: Status) -> None:
    state = apply(Edit(status=status, athena_msg="that was it"), opened(), NOW + 10)
    assert not state.active
    assert (state.ts_completed, state.ts_display, state.ts_started, state.deadline) == (NOW + 10, NOW + 10, NOW, None)


def test_it_does_not_end_before_it_began_whatever_the_clock_does() -> None:
    assert apply(Edit(status="success"), opened(), NOW - 5000).ts_completed == NOW


def test_an_error_without_a_message_says_so() -> None:
    assert apply(Edit(status="error"), opened(athena_msg="step 1")).message == NO_ERROR_MESSAGE
    assert apply(Edit(status="error", athena_msg=""), opened()).message == NO_ERROR_MESSAGE


def test_what_changes_nothing_visible_is_a_heartbeat() -> None:
    state = opened(athena_msg="go", on_step=1, total_steps=3)
    for operation in (
        Edit(status="pending"),
        Edit(status="pending", athena_msg="go", on_step=1, total_steps=3, description="install"),
        Edit(status="pending", timeout_ms=5),
    ):
        after = apply(operation, state, NOW + 100, seq=8)
        assert after is not state
        assert after.deadline == NOW + 100 + (operation.timeout_ms or 180_000)
        assert after.seq == state.seq


def test_steps_do_not_fall_while_pending() -> None:
    state = opened(on_step=5, total_steps=9)
    for status in ("pending", "success", "error"):
        with pytest.raises(StepRegression):
            apply(Edit(status=status, on_step=4), state)
    assert apply(Edit(status="undoing", on_step=4), state).on_step == 4
    undoing = apply(Edit(status="undoing"), state)
    assert apply(Edit(status="undoing", on_step=1), undoing).on_step == 1
    assert apply(Edit(status="error", on_step=0), undoing).on_step == 0


def test_on_step_never_exceeds_total_steps() -> None:
    assert opened(on_step=12, total_steps=9).on_step == 9
    state = opened(on_step=5, total_steps=9)
    assert apply(Edit(status="pending", on_step=10), state).on_step == 9
    for members in ({"total_steps": 3}, {"total_steps": 3, "on_step": 5}):
        with pytest.raises(StepRegression):
            apply(Edit(status="pending", **members), state)  # type: ignore[arg-type]
    assert apply(Edit(status="undoing", total_steps=3), state).on_step == 3


def test_an_undo_is_never_a_success_and_never_goes_forward_again() -> None:
    undoing = apply(Edit(status="undoing"), opened())
    for status in ("pending", "success"):
        with pytest.raises(IllegalTransition):
            apply(Edit(status=status), undoing)


@pytest.mark.parametrize(
    "same", [{}, {"athena_msg": "done"}, {"on_step": 3}, {"on_step": 7}, {"total_steps": 3}, {"description": "install"}]
)
def test_repeating_the_final_edit_is_fine(same: dict[str, object]) -> None:
    final = apply(Edit(status="success", athena_msg="done", on_step=3), opened(total_steps=3))
    assert apply(Edit(status="success", **same), final) is final  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "other",
    [
        {"status": "error"},
        {"status": "pending"},
        {"athena_msg": "not quite"},
        {"on_step": 2},
        {"total_steps": 4},
        {"description": "remove"},
    ],
)
def test_anything_else_after_the_end_is_refused(other: dict[str, object]) -> None:
    final = apply(Edit(status="success", athena_msg="done", on_step=3), opened(total_steps=3))
    with pytest.raises(TransactionFinished):
        apply(Edit(**{"status": "success", **other}), final)  # type: ignore[arg-type]


def test_editing_what_is_not_there_or_no_transaction() -> None:
    for current in (None, apply(Notice(status="success", message="m"))):
        with pytest.raises(UnknownTransaction):
            apply(Edit(status="pending"), current)


# ---- notices ---------------------------------------------------------------------------------------------------------
def test_a_notice() -> None:
    operation = Notice(status="error", message="disk is full", by="bob@x.org", code=507, component_id="c")
    state = apply(operation)
    assert state.seq == 7
    assert (state.type, state.text, state.by, state.ts_display) == ("notification", "disk is full", "b**@x.org", NOW)
    assert (state.details, state.component_id) == ('{"code":507}', "c")
    assert apply(Notice(status="success", message="m", ts_display=5)).ts_display == 5


def test_a_notice_takes_nobodys_place() -> None:
    with pytest.raises(TransactionExists):
        apply(Notice(status="success", message="m"), opened())


# ---- Athena's own ----------------------------------------------------------------------------------------------------
def test_expiry_looks_at_the_deadline_again() -> None:
    state = opened(timeout_ms=100, on_step=2)
    assert decide(Command("tx", Expire()), state, NOW + 99, 8) is None
    after = apply(Expire(), state, NOW + 100, seq=8)
    assert after.seq == 8
    assert (after.status, after.message, after.on_step, after.ts_completed) == ("error", TIMED_OUT, 2, NOW + 100)
    assert decide(Command("tx", Expire()), after, NOW + 200, 9) is None
    assert decide(Command("tx", Expire()), None, NOW, 9) is None


def test_hiding_and_coming_back() -> None:
    hidden = apply(ArchiveOne(), opened(), seq=8)
    assert (hidden.archived, hidden.seq) == (True, 8)
    assert decide(Command("tx", ArchiveOne()), hidden, NOW, 9) is None
    assert decide(Command("tx", ArchiveOne()), None, NOW, 9) is None
    assert apply(Edit(status="pending"), hidden).archived, "a heartbeat is no news"
    assert not apply(Edit(status="success"), hidden).archived


@pytest.mark.parametrize("operation", get_args(get_type_hints(Command)["operation"]))
def test_there_is_a_rule_for_every_wish_and_for_those_that_are_lines_of_a_bulk(operation: type) -> None:
    assert {operation, *operation.__subclasses__()} <= RULES.keys()


# ---- whole lives -----------------------------------------------------------------------------------------------------
texts = st.one_of(st.none(), st.sampled_from(["a", "b", ""]))
steps = st.one_of(st.none(), st.integers(0, 5))
edits = st.builds(
    Edit,
    status=st.sampled_from(["pending", "undoing", "error", "success"]),
    athena_msg=texts,
    on_step=steps,
    total_steps=st.one_of(st.none(), st.integers(1, 5)),
    timeout_ms=st.one_of(st.none(), st.integers(1, 50)),
)
opens = st.builds(Open, description=st.sampled_from(["x", "y"]), total_steps=st.one_of(st.none(), st.integers(1, 5)))
operations = st.one_of(edits, edits, edits, opens, st.just(Expire()), st.just(ArchiveOne()))


@settings(max_examples=200)
@given(st.lists(st.tuples(operations, st.integers(0, 40)), max_size=30))
def test_any_life_has_at_most_one_end_and_illegal_commands_change_nothing(
    life: Sequence[tuple[Open | Edit | Expire | ArchiveOne, int]],
) -> None:
    state: Notification | None = None
    now, seq, ends = NOW, 0, 0
    for operation, pause in life:
        now += pause
        before = None if state is None else structs.astuple(state)
        try:
            after = decide(Command("tx", operation), state, now, seq + 1)
        except (Conflict, NotFound):
            assert before == (None if state is None else structs.astuple(state))
            continue
        if after is None or after is state:
            continue
        if after.seq > seq:
            seq += 1
            assert after.seq == seq
        else:
            assert state is not None
            assert structs.replace(after, deadline=state.deadline, timeout_ms=state.timeout_ms) == state, "a heartbeat"
        if state is not None and not state.active:
            assert after.status == state.status, "what has ended stays as it ended"
            assert after.message == state.message
        ends += (state is None or state.active) and not after.active
        if state is not None and state.status != after.status:
            assert after.status in TRANSITIONS[state.status]
        assert after.on_step is None or after.total_steps is None or after.on_step <= after.total_steps
        assert after.active == (after.deadline is not None) == (after.ts_completed is None)
        state = after
    assert ends <= 1


def test_the_diagram_has_an_arrow_for_each_row_of_the_table() -> None:
    lines = diagram().splitlines()
    assert "    [*] --> pending: open" in lines
    for status, following in TRANSITIONS.items():
        for then in following:
            assert f"    {status} --> {then}" in lines
    assert len(lines) == 2 + sum(len(following) or 1 for following in TRANSITIONS.values())
