"""How far the changes of a source have been read, told by a column that it raises with each change."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypedDict

import pyarrow as pa
import pyarrow.compute as pc

Mark = int | dt.date | dt.datetime
OVERLAP = {int: 1000, dt.date: dt.timedelta(days=1), dt.datetime: dt.timedelta(minutes=10)}
"""So far behind the latest mark the next reading starts: writers' clocks differ, and who began first may commit last."""
AHEAD = dt.timedelta(days=1)
"""A moment further ahead of us than this is no mark (9999-12-31 would be the last one ever): its row is read each time."""


class StoredMark(TypedDict):
    """A watermark as an index keeps it."""

    of: str
    latest: str


@dataclass(slots=True)
class Watermark:
    """The highest mark among the rows of a table that were read. It comes from the data, never from our clock.

    `type` is the column's: an integer, a date or a timestamp. `of` says what was read by which mapping: a mark of anything else says
    nothing. `since(mark)` reads the rows with that mark, a later one, or none.
    """

    type: pa.DataType
    of: str
    since: Callable[[Mark], pa.RecordBatchReader] = field(repr=False)
    latest: Mark | None = None

    def see(self, marks: pa.Array) -> None:
        """Marks of rows that were read, in any order."""
        if pa.types.is_timestamp(self.type):
            marks = marks.cast(pa.timestamp("us", self.type.tz), safe=False)
        if not pa.types.is_integer(self.type):
            now = dt.datetime.now(dt.UTC) + AHEAD
            marks = marks.filter(pc.less_equal(marks, pa.scalar(now.replace(tzinfo=None), pa.timestamp("us")).cast(marks.type)))
        seen = pc.max(marks).as_py()
        if seen is not None and (self.latest is None or seen > self.latest):
            self.latest = seen

    def resume(self, stored: StoredMark | None) -> Callable[[], pa.RecordBatchReader] | None:
        """Go on from where an earlier reading ended: what reads the rows that may have changed since. None: nothing is known of them."""
        if stored is None or stored["of"] != self.of:
            return None
        made = self.latest = self._parse(stored["latest"])
        kind = next(k for k in (dt.datetime, dt.date, int) if isinstance(made, k))
        return lambda: self.since(made - OVERLAP[kind])  # type: ignore[operator]

    def stored(self) -> StoredMark | None:
        """What an index keeps; None if no row had a mark."""
        if self.latest is None:
            return None
        return {"of": self.of, "latest": str(self.latest) if isinstance(self.latest, int) else self.latest.isoformat()}

    def _parse(self, text: str) -> Mark:
        if pa.types.is_integer(self.type):
            return int(text)
        return dt.date.fromisoformat(text) if pa.types.is_date(self.type) else dt.datetime.fromisoformat(text)


def stored_marks(named: Sequence[tuple[str, Watermark | None]]) -> dict[str, StoredMark]:
    """By link table what an index keeps of the watermarks of its sources."""
    marks = {name: watermark.stored() for name, watermark in named if watermark is not None}
    return {name: mark for name, mark in marks.items() if mark is not None}
