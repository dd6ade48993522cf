"""The contract with a live source: a connector describes it, a session reads it within one deadline and one snapshot."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import pyarrow as pa

from connectors.spi.capabilities import Capabilities
from connectors.spi.fragment import Fragment
from connectors.spi.schema import Statistics, Table

Values = Mapping[str, object]
"""Run time bindings: a Python scalar per `Param.name`, a tuple of `pa.Array` per `KeyFilter.slot`."""


@dataclass(frozen=True, slots=True)
class Deadline:
    """A point on the monotonic clock. `Deadline.after(30)` is thirty seconds from now."""

    at: float

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        return cls(time.monotonic() + seconds)

    def remaining(self) -> float:
        """Seconds left, never negative."""
        return max(0.0, self.at - time.monotonic())

    @property
    def expired(self) -> bool:
        return time.monotonic() >= self.at


class Stream(Protocol):
    """The answer to one fragment, read once, in order, by one thread.

    `schema` has the fragment's columns with the table's declared Arrow types, always. `statement` is what reached the source,
    values shown as placeholders, never a secret. `requests` counts round trips that carried rows (pages, statements).
    Iteration raises a `SourceError` (never a driver's own exception), and `Cancelled` after `Session.cancel()`.
    """

    schema: pa.Schema
    statement: str

    @property
    def requests(self) -> int: ...

    def __iter__(self) -> Iterator[pa.RecordBatch]: ...

    def close(self) -> None:
        """Stop early and free what the source holds for this stream. Safe to call twice."""


class Session(Protocol):
    """One reader's time with a source. Used by one thread at a time, except for `cancel`."""

    def run(self, fragment: Fragment, values: Values) -> Stream:
        """Ask the source. Raises a `SourceError`; `SourceTimeout` once the deadline has passed, however the source stalls."""

    def cancel(self) -> None:
        """From any thread, at once: whoever is inside `run` or a stream gets `Cancelled` within half a second, even when the
        source is stalled and answers nothing. The session is of no use afterwards."""

    def close(self) -> None:
        """Give the connection back (or drop it, if it was cancelled or broken). Safe to call twice."""


@runtime_checkable
class Connector(Protocol):
    """A live source, described. Making one contacts nobody: a dead source does not stop start-up.

    Thread-safe. `tables`, `table` and `statistics` ask the source on first use and cache; `forget` drops the cache (the
    executor calls it on `SchemaDrift`). `name` is the project's name for the source, `kind` the connector's.
    """

    name: str
    kind: str
    capabilities: Capabilities

    def tables(self) -> tuple[str, ...]:
        """Names usable in `table()` and `Fragment.table`, sorted: `schema.table`, or `table` in the default schema."""

    def table(self, name: str) -> Table:
        """The table as discovered. Raises SchemaDrift if the source has none of that name, UnmappedType never: a column whose
        type does not map is of kind `opaque` and read as text."""

    def statistics(self, name: str) -> Statistics: ...

    def ping(self, deadline: Deadline) -> str:
        """Contact the source; return its product and version ("PostgreSQL 16.2"). Raises the coded error that explains why not."""

    def session(self, deadline: Deadline, *, snapshot: bool) -> Session:
        """Open or borrow a connection. With `snapshot` every `run` of the session sees one state of the source (a source that
        cannot promise it says so in its class docstring); without, each `run` is its own snapshot. Raises SourceError."""

    def forget(self) -> None: ...

    def close(self) -> None:
        """Drop pooled connections. Sessions in use are cancelled."""
