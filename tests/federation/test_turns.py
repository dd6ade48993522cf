"""Quick sources are asked in turn, slow ones beside each other, and none waits long for one that stalls."""

from __future__ import annotations

import threading
import time

from federation.turns import HELD_UP, IN_TURN, OUT_OF, TRIALS, Pace, Turns


def _settled(pace: Pace, taken: dict[str, float]) -> Pace:
    """After the trials, each source having always taken so long."""
    for _ in range(TRIALS):
        pace.in_turn(taken)
        for source, seconds in taken.items():
            pace.took(source, seconds)
    return pace


def test_who_is_quick_is_asked_in_turn() -> None:
    taken = {"a": IN_TURN / 2, "b": IN_TURN, "c": IN_TURN / 4}
    assert _settled(Pace(), taken).in_turn(taken) == ("c", "a")


def test_the_first_calls_are_trials_and_so_are_some_later_ones() -> None:
    taken = {"a": 1.0, "b": 1.0}
    pace = Pace()
    assert all(len(pace.in_turn(taken)) == 2 for _ in range(TRIALS - 1))
    for source, seconds in taken.items():
        pace.took(source, seconds)
    asked = [len(pace.in_turn(taken)) for _ in range(2 * OUT_OF)]
    assert set(asked) == {0, 2} and asked.count(2) == 2 * TRIALS


def test_a_source_that_becomes_slow_is_noticed_and_one_that_recovers_too() -> None:
    pace = _settled(Pace(), {"a": IN_TURN / 10})
    for _ in range(200):
        pace.took("a", 1.0)
    assert pace.in_turn(["a"]) == ()
    pace.took("a", IN_TURN / 10)
    assert pace.in_turn(["a"]) == ("a",)


def test_each_source_once_in_order() -> None:
    assert list(Turns(("a", "b", "c"), lambda source: None)) == ["a", "b", "c"]


def test_a_stall_hands_the_rest_to_others() -> None:
    beside: list[str] = []
    handed = threading.Event()

    def take(source: str) -> None:
        beside.append(source)
        handed.set() if len(beside) == 2 else None

    mine = []
    for source in Turns(("a", "b", "c"), take):
        mine.append(source)
        started = time.monotonic()
        assert handed.wait(100 * HELD_UP), "the rest still waits"
        assert time.monotonic() - started >= HELD_UP / 2
    assert (mine, beside) == (["a"], ["b", "c"])


def test_a_single_source_is_nobody_elses() -> None:
    beside: list[str] = []
    for _ in Turns(("a",), beside.append):
        time.sleep(2 * HELD_UP)
    assert beside == []
