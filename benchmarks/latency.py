"""How long one profile takes, over many different people: one caller, then many at the same time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import cycle, islice

from benchmarks.c360_system import C360

PEOPLE = 500
CALLERS = 16
QUERIES_OF_ALL_CALLERS = 3000
SQL = "select * from individual where id360 = ?"


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds of one call, and how many calls a second all callers got through."""

    what: str
    callers: int
    p50_ms: float
    p99_ms: float
    per_second: float


def measure(what: str, call: Callable[[int], object], ids: Sequence[int], callers: int, queries: int) -> Latency:
    """Call with each id in turn, warm: the first tenth is not counted."""
    work = list(islice(cycle(ids), queries))
    warm, counted = work[: queries // 10], work[queries // 10 :]
    for id360 in warm:
        call(id360)

    def timed(id360: int) -> float:
        start = time.perf_counter()
        call(id360)
        return (time.perf_counter() - start) * 1000

    start = time.perf_counter()
    if callers == 1:
        times = sorted(map(timed, counted))
    else:
        with ThreadPoolExecutor(callers) as pool:
            times = sorted(pool.map(timed, counted))
    seconds = time.perf_counter() - start
    return Latency(what, callers, times[len(times) // 2], times[int(len(times) * 0.99)], len(times) / seconds)


def latencies(system: C360) -> Iterator[Latency]:
    """The profile call and the same by SQL, alone and by many callers at once."""
    people = list(system.id_of.values())
    ids = people[:: max(1, len(people) // PEOPLE)]
    calls: dict[str, Callable[[int], object]] = {
        ".profile(id360)": system.session.profile,
        "the same by SQL": lambda id360: system.session.sql(SQL, [id360]).arrow(),
    }
    for callers, queries in ((1, len(ids)), (CALLERS, QUERIES_OF_ALL_CALLERS)):
        for what, call in calls.items():
            yield measure(what, call, ids, callers, queries)
