"""What was asked, by whom, for what, and how it ended: the last queries, with ids, in memory; and a line per query in the log."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from dataclasses import dataclass, field

from connectors.spi.errors import C360Error
from federation.report import Report

logger = logging.getLogger("c360")


@dataclass(slots=True)
class Entry:
    """One query. `status` is "running", "done", or an error's code. The text stays in memory: its literals may be personal."""

    query_id: str
    principal: str
    purpose: str | None
    sql: str = field(repr=False)
    started: float = field(default_factory=time.time)
    status: str = "running"
    total_ms: float = 0.0
    rows_moved: int = 0
    bytes_moved: int = 0
    sources: tuple[str, ...] = ()

    def closed(self, report: Report, error: BaseException | None) -> None:
        """Once, at the end; what comes later changes nothing."""
        if self.status != "running":
            return
        self.status = "done" if error is None else error.code if isinstance(error, C360Error) else type(error).__name__
        self.total_ms = report.total_ms or (time.time() - self.started) * 1000
        self.rows_moved, self.bytes_moved = report.rows_moved, report.bytes_moved
        self.sources = tuple(dict.fromkeys(f.source for f in report.fragments if f.asked))
        logger.info(
            "query %s by %s for %s: %s in %.1f ms, %d rows from %s",
            self.query_id, self.principal, self.purpose, self.status, self.total_ms, self.rows_moved, ", ".join(self.sources) or "none",
        )  # fmt: skip


class QueryLog:
    """The last `keep` queries, newest last. Thread-safe."""

    def __init__(self, keep: int = 1000) -> None:
        self._entries: deque[Entry] = deque(maxlen=keep)
        self._lock = threading.Lock()

    def opened(self, query_id: str, principal: str, purpose: str | None, sql: str) -> Entry:
        entry = Entry(query_id, principal, purpose, sql)
        with self._lock:
            self._entries.append(entry)
        logger.debug("query %s by %s for %s: begins", query_id, principal, purpose)
        return entry

    def entries(self) -> list[Entry]:
        with self._lock:
            return list(self._entries)
