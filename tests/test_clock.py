from __future__ import annotations

import time
from random import Random

import pytest
from tests.support.machine import START, Machine

from athena.clock import DAY_MS, HOUR_MS, Anchor, Clock, boot_id, ticks_ns


def test_it_shows_the_wall_clock_and_counts_ticks() -> None:
    machine = Machine()
    clock = machine.clock()
    assert clock.now() == START
    machine.passes(1234)
    assert clock.now() == START + 1234


@pytest.mark.parametrize("by", [HOUR_MS, -HOUR_MS, DAY_MS, -DAY_MS])
def test_it_does_not_jump_with_the_wall_clock(by: int) -> None:
    machine = Machine()
    clock = machine.clock()
    machine.put(by)
    machine.passes(10)
    assert clock.now() == START + 10
    assert clock.drift() == by


def test_it_goes_on_when_the_wall_clock_stands_still() -> None:
    machine = Machine()
    clock = machine.clock()
    machine.frozen = True
    machine.passes(5000)
    assert clock.now() == START + 5000
    assert clock.drift() == -5000


def test_when_it_is_set_what_is_left_of_a_deadline_stays_the_same() -> None:
    dice, machine = Random(1), Machine()
    clock = machine.clock()
    for _ in range(200):
        deadline = clock.now() + 5000
        machine.put(dice.randint(-2 * DAY_MS, 2 * DAY_MS))
        machine.passes(dice.randint(0, 3_000_000) / 1000)
        left = deadline - clock.now()
        setting = clock.follow()
        clock.adopt(setting.anchor)
        assert clock.drift() == 0
        assert clock.now() == setting.now
        assert 0 <= deadline + setting.shift - clock.now() - left <= 1, "never early, and at most a ms late"


def test_after_a_restart_the_ticks_tell_how_much_time_has_passed() -> None:
    machine = Machine()
    before = machine.clock()
    stored = before.follow().anchor
    deadline = before.now() + 5000
    machine.put(DAY_MS)
    machine.passes(2000)
    clock = machine.clock()
    clock.resume(stored, START)
    assert deadline - clock.now() == 3000
    assert clock.drift() == DAY_MS
    setting = clock.follow()
    clock.adopt(setting.anchor)
    assert clock.now() == machine.wall
    assert deadline + setting.shift - clock.now() == 3000


def test_after_a_new_start_of_the_machine_the_wall_clock_tells() -> None:
    machine = Machine()
    stored = machine.clock().follow().anchor
    machine.boot(after=90_000)
    clock = machine.clock()
    clock.resume(stored, START)
    assert clock.now() == START + 90_000
    assert clock.anchor.boot == "run 2"


def test_no_name_for_the_run_of_the_machine_is_not_the_same_run() -> None:
    clock = Clock(lambda: START * 1_000_000, lambda: 0, "")
    clock.resume(Anchor("", 0, 0), 0)
    assert clock.now() == START


@pytest.mark.parametrize(("by", "settled"), [(HOUR_MS - 1, True), (HOUR_MS, False), (-HOUR_MS, False), (1000, True)])
def test_a_jump_of_an_hour_is_remembered(by: int, settled: bool) -> None:
    machine = Machine()
    clock = machine.clock()
    assert clock.settled(DAY_MS)
    machine.put(by)
    stored = clock.follow().anchor
    clock.adopt(stored)
    assert clock.settled(DAY_MS) == settled
    machine.put(100)  # a small jump cancels nothing of that
    clock.adopt(clock.follow().anchor)
    assert clock.settled(DAY_MS) == settled
    machine.passes(DAY_MS - 1)
    restarted = machine.clock()
    restarted.resume(stored, 0)
    assert restarted.settled(DAY_MS) == settled
    machine.passes(1)
    assert restarted.settled(DAY_MS)


@pytest.mark.parametrize("wrong", [3 * DAY_MS, -2 * HOUR_MS, 700 * DAY_MS])
def test_a_machine_that_starts_far_from_the_last_change_may_be_wrong(wrong: int) -> None:
    machine = Machine()
    stored = machine.clock().follow().anchor
    machine.boot(after=wrong)
    clock = machine.clock()
    clock.resume(stored, START)
    assert not clock.settled(DAY_MS)
    machine.passes(DAY_MS)
    assert clock.settled(DAY_MS)


def test_a_machine_that_starts_soon_after_the_last_change_is_believed() -> None:
    machine = Machine()
    stored = machine.clock().follow().anchor
    machine.boot(after=DAY_MS - 1)
    clock = machine.clock()
    clock.resume(stored, START)
    assert clock.settled(DAY_MS)


def test_a_jump_that_is_in_the_future_now_was_just_now() -> None:
    """The machine starts with a clock set earlier than its last recorded jump."""
    machine = Machine()
    machine.boot(after=0)
    clock = machine.clock()
    clock.resume(Anchor("run 1", 0, START + 900 * DAY_MS), 0)
    assert not clock.settled(DAY_MS)
    machine.passes(DAY_MS)
    assert clock.settled(DAY_MS)


def test_the_real_sources() -> None:
    before = time.time_ns() // 1_000_000
    now = Clock().now()
    assert before - 1 <= now <= time.time_ns() // 1_000_000
    assert ticks_ns() <= ticks_ns()
    assert boot_id() == boot_id()
    assert "\n" not in boot_id()
