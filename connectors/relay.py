"""Hand items from reading threads to one consumer that a stalled source can never hold.

Some reads cannot be interrupted: a Python filesystem or an HTTP client inside a blocking call. They run in daemon threads; the
consumer waits on a bounded queue and leaves at once on a cancel or at the deadline. A thread left behind ends when its call does.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from connectors.spi.errors import C360Error
from connectors.spi.session import Deadline

T = TypeVar("T")
POLL = 0.05


class Relay(Generic[T]):
    """`make(relay)` is run once in each of `workers` threads; what its iterators give arrives here, in the order made by each.

    The first exception of a worker ends the relay and is raised to the consumer. `late` makes the error for a missed deadline.
    """

    def __init__(
        self, name: str, make: Callable[[Relay[T]], Iterator[T]], deadline: Deadline, late: Callable[[], C360Error], *, workers: int = 1
    ) -> None:
        self._deadline, self._late = deadline, late
        self._items: queue.Queue[T | None] = queue.Queue(maxsize=2 * workers)
        self._ended: BaseException | None = None
        self._running = workers
        self._lock = threading.Lock()
        for i in range(workers):
            threading.Thread(target=self._work, args=(make,), name=f"c360-{name}-{i}", daemon=True).start()

    @property
    def ended(self) -> bool:
        """Nobody wants further items: a worker asks before it starts something long."""
        return self._ended is not None

    def end(self, error: BaseException) -> None:
        """Stop: the consumer gets `error`, workers give up at their next item. The first error stays."""
        with self._lock:
            self._ended = self._ended or error

    def take(self) -> T | None:
        """The next item, None after the last. Raises what ended the relay, within POLL seconds of its end."""
        while True:
            if self._deadline.expired:
                self.end(self._late())
            if self._ended is not None:
                raise self._ended
            try:
                return self._items.get(timeout=min(POLL, max(0.001, self._deadline.remaining())))
            except queue.Empty:
                continue

    def _work(self, make: Callable[[Relay[T]], Iterator[T]]) -> None:
        items: Iterator[T] | None = None
        try:
            items = make(self)
            for item in items:
                if not self._put(item):
                    break
        except BaseException as error:
            self.end(error)
        finally:
            close = getattr(items, "close", None)
            if close is not None:
                close()
            with self._lock:
                self._running -= 1
                last = not self._running
            if last:
                self._put(None)  # the end, for the consumer

    def _put(self, item: T | None) -> bool:
        while self._ended is None:
            try:
                self._items.put(item, timeout=POLL)
                return True
            except queue.Full:
                continue
        return False
