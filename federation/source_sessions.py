"""One session per source for a run: opened when first needed, given back with its last fragment."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from connectors.spi import Connector, Deadline, Session
from connectors.spi.errors import SourceError
from federation.inbox import Stopped
from federation.plan import QueryPlan


class SourceSessions:
    """The sessions of one run. A source that is asked more than once keeps one session, and one snapshot, for all of it.

    Queries share each source's few connections. Whoever holds one while waiting for another could wait for ever for somebody
    who does the same the other way round. So a session is given back as soon as its last fragment has been read; and a run
    that will hold one for longer opens all of its sessions beforehand, in the order of the sources' names (`open_all`).
    """

    def __init__(self, plan: QueryPlan, sources: Callable[[str], Connector], deadline: Deadline, stopped: Callable[[], bool]) -> None:
        self._sources, self._deadline, self._stopped = sources, deadline, stopped
        self._left = Counter(f.fragment.source for f in plan.fetches)
        self._several = {source for source, count in self._left.items() if count > 1}
        self._open: dict[str, Session] = {}
        self._refused: dict[str, SourceError] = {}
        self._inside: Counter[str] = Counter()
        self._closed = False
        self._lock = threading.Lock()

    def shared(self, source: str) -> bool:
        """Whether several fragments go to the source, one after the other."""
        return source in self._several

    def open_all(self, *, partial: bool) -> None:
        """Open every session of the run. Raises SourceError; with `partial`, whoever asks for the session gets it."""
        for source in sorted(self._left):
            try:
                self.borrow(source)
            except SourceError:
                if not partial:
                    raise

    @contextmanager
    def reading(self, source: str) -> Iterator[None]:
        """While a thread works with the source: `close` leaves the session to it, for no driver bears being closed within a call."""
        with self._lock:
            self._inside[source] += 1
        try:
            yield
        finally:
            with self._lock:
                self._inside[source] -= 1
                session = self._open.pop(source, None) if self._closed and not self._inside[source] else None
            if session is not None:
                session.close()

    def borrow(self, source: str) -> Session:
        """The source's session. Raises SourceError, the same one each time; Stopped."""
        with self._lock:
            if source in self._refused:
                raise self._refused[source]
            found = self._open.get(source)
        if found is None:
            found = self._opened(source)
        if self._stopped():  # perhaps while it was opened: then neither `cancel` nor `close` has seen it
            with self._lock:
                self._open.pop(source, None)
            found.cancel()
            found.close()
            raise Stopped
        return found

    def _opened(self, source: str) -> Session:
        try:
            session = self._sources(source).session(self._deadline, snapshot=self.shared(source))
        except SourceError as error:
            self._refused[source] = error
            raise
        with self._lock:
            self._open[source] = session
        return session

    def done(self, source: str) -> None:
        """One of the source's fragments needs nothing more of it."""
        with self._lock:
            self._left[source] -= 1
            session = self._open.pop(source, None) if self._left[source] <= 0 else None
        if session is not None:
            session.close()

    def cancel(self) -> None:
        """Free whoever is inside a session, from any thread."""
        with self._lock:
            sessions = list(self._open.values())
        for session in sessions:
            session.cancel()

    def close(self) -> None:
        """Give everything back: what a thread is still reading, when that thread leaves it. Safe to call twice."""
        with self._lock:
            self._closed = True
            sessions = [self._open.pop(source) for source in list(self._open) if not self._inside[source]]
        for session in sessions:
            session.close()
