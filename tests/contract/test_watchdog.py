"""The watchdog of all deadlines: what is scheduled rings, in its turn; what was cancelled takes no room."""

from __future__ import annotations

import threading
import time

from connectors.watchdog import Watchdog


def test_alarms_ring_in_turn_but_for_those_cancelled() -> None:
    watchdog, rung, done = Watchdog(), list[str](), threading.Event()
    now = time.monotonic()
    watchdog.schedule(now + 0.3, done.set)
    watchdog.schedule(now + 0.2, lambda: rung.append("later"))
    watchdog.schedule(now + 0.1, lambda: rung.append("sooner"))
    watchdog.schedule(now + 0.15, lambda: rung.append("never")).cancel()
    assert done.wait(60)
    assert rung == ["sooner", "later"]


def test_queries_that_ended_long_before_their_deadline_leave_nothing_behind() -> None:
    watchdog, done = Watchdog(), threading.Event()
    far = time.monotonic() + 3600
    kept = [watchdog.schedule(far, lambda: None) for _ in range(300)]
    for _ in range(50_000):
        watchdog.schedule(far, lambda: None).cancel()
    assert len(watchdog._heap) < 3000
    assert sum(not alarm.cancelled for _, _, alarm in watchdog._heap) == len(kept)
    watchdog.schedule(time.monotonic() + 0.05, done.set)
    assert done.wait(60), "the next one rings though an hour lies behind it in the heap"
