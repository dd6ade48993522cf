"""What the benchmark asks of a system under measurement: each of the three is one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import duckdb
import pyarrow as pa

from benchmarks.worlds import World


@dataclass(frozen=True, slots=True)
class Busy:
    """The people that the questions are about: by the number that the world's truth gives them."""

    person: int
    fifty: tuple[int, ...]

    @property
    def email(self) -> str:
        return f"p{self.person}@ex{self.person % 50}.com"

    @classmethod
    def of(cls, world: World) -> Busy:
        """The thousandth of those known to three systems (the last, in a smaller world), and fifty from there on."""
        rows = duckdb.connect().sql(f"select pid from '{world.truth}' group by 1 having count(*) = 3 order by 1 limit 1001").fetchall()
        person = rows[-1][0]
        return cls(person, tuple(range(person, person + 50)))


@dataclass(frozen=True, slots=True)
class Moved:
    """What left the sources for one answer. None: this system cannot tell."""

    rows: int | None
    bytes: int | None


class System(Protocol):
    """`ask` answers a question by name: the rows, or None where the plan fetches what is needed but stops before the answer.

    Its `id360`s are the truth's numbers after `people` is applied to them (None: they are already).
    """

    name: str
    people: Mapping[int, int] | None

    def ask(self, question: str) -> pa.Table | None: ...

    def moved(self, question: str) -> Moved: ...

    def close(self) -> None: ...
