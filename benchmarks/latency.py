"""How long one profile takes, over many different people: one caller, then many at the same time."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import cycle, islice

from benchmarks.c360_system import C360
from connectors.spi.errors import C360Error

PEOPLE = 500
WARM_UP = 20
CALLERS = 16
QUERIES_OF_ALL_CALLERS = 3000
LONGEST_S = 20.0  # no call starts later than so many seconds after the first
TIMEOUT_S = 10.0
SQL = "select * from individual where id360 = ?"


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds of one call, how many calls a second all callers got through, and the codes of the errors that calls ended in."""

    what: str
    callers: int
    p50_ms: float
    p99_ms: float
    per_second: float
    errors: Mapping[str, int]

    def __str__(self) -> str:
        errors = "".join(f", {count} × {code}" for code, count in self.errors.items())
        times = f"p50 {self.p50_ms:.2f} ms, p99 {self.p99_ms:.2f} ms, {self.per_second:,.0f} a second"
        return f"{self.what}, {self.callers} at once: {times}{errors}"


def measure(what: str, call: Callable[[int], object], ids: Sequence[int], callers: int, queries: int) -> Latency:
    """Call with each id in turn, warm: the first calls are not counted."""
    work = list(islice(cycle(ids), queries))
    warm, counted = work[:WARM_UP], work[WARM_UP:]
    for id360 in warm:
        call(id360)

    errors: Counter[str] = Counter()
    stop = time.monotonic() + LONGEST_S

    def timed(id360: int) -> float | None:
        if time.monotonic() > stop:
            return None
        start = time.perf_counter()
        try:
            call(id360)
        except C360Error as error:
            errors[error.code] += 1
        return (time.perf_counter() - start) * 1000

    start = time.perf_counter()
    if callers == 1:
        taken = [timed(id360) for id360 in counted]
    else:
        with ThreadPoolExecutor(callers) as pool:
            taken = list(pool.map(timed, counted))
    seconds = time.perf_counter() - start
    times = sorted(t for t in taken if t is not None)
    return Latency(what, callers, times[len(times) // 2], times[int(len(times) * 0.99)], len(times) / seconds, errors)


def latencies(system: C360) -> Iterator[Latency]:
    """The profile call and the same by SQL, alone and by many callers at once."""
    people = list(system.id_of.values())
    ids = people[:: max(1, len(people) // PEOPLE)]
    calls: dict[str, Callable[[int], object]] = {
        ".profile(id360)": system.session.profile,
        "the same by SQL": lambda id360: system.session.sql(SQL, [id360], timeout=TIMEOUT_S).arrow(),
    }
    for callers, queries in ((1, len(ids)), (CALLERS, QUERIES_OF_ALL_CALLERS)):
        for what, call in calls.items():
            yield measure(what, call, ids, callers, queries)
