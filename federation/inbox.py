"""Rows on their way: a bounded queue between the thread that fetches and the room that reads."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator

import pyarrow as pa

from federation.report import size_of

POLL = 0.05
"""The longest anybody waits before looking whether the query has been stopped, in seconds."""


class Stopped(Exception):
    """The query was stopped; why stands in its run."""


class Inbox:
    """Batches of one fragment. `ahead` bytes may wait in it (None: any number) before the fetcher must wait.

    `stopped` is asked at every wait, so a stalled source holds nobody. `account` is told of bytes that come (+) and go (-).
    """

    def __init__(self, schema: pa.Schema, stopped: Callable[[], bool], ahead: int | None, account: Callable[[int], None]) -> None:
        self.schema, self._stopped, self._ahead, self._account = schema, stopped, ahead, account
        self._queue: deque[tuple[pa.RecordBatch, int]] = deque()
        self._waiting = 0
        self._done = False
        self._changed = threading.Condition()

    def put(self, batch: pa.RecordBatch) -> None:
        """Raises Stopped, and what `account` raises."""
        size = size_of(batch)
        self._account(size)
        with self._changed:
            while self._ahead is not None and self._waiting > self._ahead:
                self._check()
                self._changed.wait(POLL)
            self._queue.append((batch, size))
            self._waiting += size
            self._changed.notify_all()

    def finish(self) -> None:
        """No more batches will come."""
        with self._changed:
            self._done = True
            self._changed.notify_all()

    @property
    def finished(self) -> bool:
        """Whether all batches have come, read or not."""
        return self._done

    def abandon(self) -> None:
        """Forget every row and finish: the source failed, and a part of its rows is worse than none."""
        with self._changed:
            gone, self._waiting = self._waiting, 0
            self._queue.clear()
        self._account(-gone)
        self.finish()

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Every batch in order, once. Raises Stopped."""
        while (batch := self._take()) is not None:
            yield batch

    def settle(self, enough: int) -> pa.Table | None:
        """Wait until all rows are here, or more than `enough` bytes: the rows as a table, or None if it is better to stream."""
        with self._changed:
            while not self._done and self._waiting <= enough and (self._ahead is None or self._waiting <= self._ahead):
                self._check()
                self._changed.wait(POLL)
            if not self._done:
                return None
            rows, self._queue = [batch for batch, _ in self._queue], deque()
            return pa.Table.from_batches(rows, self.schema)

    def _take(self) -> pa.RecordBatch | None:
        with self._changed:
            while not self._queue:
                self._check()
                if self._done:
                    return None
                self._changed.wait(POLL)
            batch, size = self._queue.popleft()
            self._waiting -= size
            self._changed.notify_all()
        self._account(-size)
        return batch

    def _check(self) -> None:
        if self._stopped():
            raise Stopped
