"""Call something at a point in time, from one daemon thread shared by every source: how a deadline frees a stalled reader."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections.abc import Callable

_SWEPT_AT = 1000
"""So many alarms may wait before it is looked whether they still matter."""


class Alarm:
    """A scheduled call. `cancel` keeps it from starting; a call that has started already is not waited for."""

    __slots__ = ("_callback",)

    def __init__(self, callback: Callable[[], None]) -> None:
        self._callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        """Do not call any more. Safe from any thread, and twice."""
        self._callback = None

    def ring(self) -> None:
        callback, self._callback = self._callback, None
        if callback is not None:
            callback()

    @property
    def cancelled(self) -> bool:
        return self._callback is None


class Watchdog:
    """A heap of alarms and the thread that rings them. The thread starts with the first alarm."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Alarm]] = []
        self._most = _SWEPT_AT
        self._count = itertools.count()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def schedule(self, at_monotonic: float, callback: Callable[[], None]) -> Alarm:
        """Call `callback` when `time.monotonic()` reaches `at_monotonic` (at once if it has passed).

        It runs on the watchdog's thread: it must not block (set a flag, interrupt, shut a socket down). What it raises is dropped.
        """
        alarm = Alarm(callback)
        with self._changed:
            if len(self._heap) >= self._most:
                self._sweep()
            heapq.heappush(self._heap, (at_monotonic, next(self._count), alarm))
            if self._thread is None or not self._thread.is_alive():  # not alive: after a fork
                self._thread = threading.Thread(target=self._watch, name="c360-watchdog", daemon=True)
                self._thread.start()
            elif self._heap[0][2] is alarm:  # it has become the next one
                self._changed.notify()
        return alarm

    def _sweep(self) -> None:
        """Drop what is cancelled, as most alarms are long before their time; again when there are twice as many as are left now."""
        self._heap = [entry for entry in self._heap if not entry[2].cancelled]
        heapq.heapify(self._heap)
        self._most = 2 * len(self._heap) + _SWEPT_AT

    def _watch(self) -> None:
        while True:
            alarm = self._next()
            try:
                alarm.ring()
            except Exception:  # one source's failure must not take the deadlines of all others with it
                continue

    def _next(self) -> Alarm:
        with self._changed:
            while True:
                while self._heap and self._heap[0][2].cancelled:
                    heapq.heappop(self._heap)
                if not self._heap:
                    self._changed.wait()
                    continue
                wait = self._heap[0][0] - time.monotonic()
                if wait <= 0:
                    return heapq.heappop(self._heap)[2]
                self._changed.wait(wait)


_shared = Watchdog()
schedule = _shared.schedule
