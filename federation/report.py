"""What a query did, per source: the SQL that reached it, rows, bytes, requests, time; and what is missing."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

_EXACT_FROM = 64 << 10


def size_of(rows: pa.RecordBatch | pa.Table) -> int:
    """Arrow bytes of some rows. `nbytes` looks at each buffer's part that is in use, which takes longer than a few rows' journey:
    it is asked only where whole buffers are more than 64 KiB."""
    whole = int(rows.get_total_buffer_size())
    return whole if whole < _EXACT_FROM else int(rows.nbytes)


@dataclass(slots=True)
class FragmentReport:
    """One fragment's meter. `asked` is False if the source was not contacted, because nobody has a key there. `bytes` are Arrow
    bytes that arrived, `ms` the time from asking to the last row."""

    source: str
    table: str
    sql: str
    stage: int
    rows: int = 0
    bytes: int = 0
    requests: int = 0
    ms: float = 0.0
    asked: bool = True
    reason_local: tuple[str, ...] = ()
    error: str = ""

    def as_dict(self) -> dict[str, Any]:
        return {
            "source": self.source, "table": self.table, "sql": self.sql, "stage": self.stage, "rows": self.rows, "bytes": self.bytes,
            "requests": self.requests, "ms": round(self.ms, 3), "asked": self.asked, "reason_local": list(self.reason_local),
            **({"error": self.error} if self.error else {}),
        }  # fmt: skip


@dataclass(slots=True)
class Report:
    """The meter of a query. `missing` maps a source that failed to its error's code, in a partial answer only. `resolved_at` (UTC) is
    when the sources were read for the crosswalk of version `crosswalk_version`: records that came since have no id360 yet."""

    query_id: str
    trusted_sql: str = ""
    user_sql: str = ""
    fragments: list[FragmentReport] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)
    crosswalk_version: int | None = None
    resolved_at: dt.datetime | None = None
    plan_ms: float = 0.0
    total_ms: float = 0.0
    planned: bool = True
    crossed_rows: int = 0
    crossed_bytes: int = 0
    journal: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether every source that was asked answered."""
        return not self.missing

    @property
    def rows_moved(self) -> int:
        return sum(f.rows for f in self.fragments)

    @property
    def bytes_moved(self) -> int:
        return sum(f.bytes for f in self.fragments)

    def as_dict(self) -> dict[str, Any]:
        return {
            "query_id": self.query_id, "fragments": [f.as_dict() for f in self.fragments], "trusted_sql": self.trusted_sql,
            "user_sql": self.user_sql, "plan_ms": round(self.plan_ms, 3), "total_ms": round(self.total_ms, 3), "complete": self.complete,
            "missing": dict(self.missing), "crosswalk_version": self.crosswalk_version,
            "resolved_at": self.resolved_at.isoformat() if self.resolved_at else None, "plan_cached": not self.planned,
            "crossed_rows": self.crossed_rows, "crossed_bytes": self.crossed_bytes, "journal": list(self.journal),
        }  # fmt: skip
