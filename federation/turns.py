"""Who asks the sources: the calling thread, one after the other, where they answer at once; workers where they take their time.

A thread more costs a hand-over and a fight for the interpreter: a fifth of a millisecond each, as much as a local source needs
for a few rows. Sources that take longer than that are asked at the same time.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator

from connectors import watchdog

IN_TURN = 0.004
"""The longest that all sources which are asked in turn may take together, in seconds."""
HELD_UP = 0.01
"""When the caller is still held up by one of them after so many seconds, workers ask the rest."""
FADING = 1.02
"""By how much a source's time grows at each call that took longer. After a hundred slow ones it is slow; were it sooner, all sources
of a busy machine would be."""
TRIALS, OUT_OF = 4, 100
"""So many calls of so many ask all sources in turn: beside others a source seems slower than it is."""


class Pace:
    """How long each source of a plan takes to answer all it is asked, in seconds: the shortest lately. Thread-safe."""

    def __init__(self) -> None:
        self._taken: dict[str, float] = {}
        self._calls = 0

    def took(self, source: str, seconds: float) -> None:
        self._taken[source] = min(seconds, self._taken.get(source, seconds) * FADING)

    def in_turn(self, sources: Iterable[str]) -> tuple[str, ...]:
        """Those to be asked in turn, the quickest first."""
        self._calls += 1
        trial = self._calls % OUT_OF < TRIALS
        chosen, together = [], 0.0
        for taken, source in sorted((self._taken.get(s, 0.0), s) for s in sources):
            together += taken
            if trial or together <= IN_TURN:
                chosen.append(source)
        return tuple(chosen)


class Turns:
    """Sources that the calling thread takes one by one; `beside` is given those left over when one of them holds it up."""

    def __init__(self, sources: Iterable[str], beside: Callable[[str], None]) -> None:
        self._left, self._beside = list(sources), beside
        self._lock = threading.Lock()

    def __iter__(self) -> Iterator[str]:
        alarm = watchdog.schedule(time.monotonic() + HELD_UP, self._share) if len(self._left) > 1 else None
        try:
            while (source := self._next()) is not None:
                yield source
        finally:
            if alarm is not None:
                alarm.cancel()

    def _next(self) -> str | None:
        with self._lock:
            return self._left.pop(0) if self._left else None

    def _share(self) -> None:
        with self._lock:  # until all of them are handed over: who sees that none is left may count on it
            while self._left:
                self._beside(self._left.pop(0))
