"""What a source table looks like: columns as Arrow types plus what a planner must know of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pyarrow as pa

KINDS = (
    "int", "decimal", "double", "float", "bool",
    "text",          # deterministic equality and code point order, as in DuckDB
    "text_locale",   # deterministic equality, but ordered by a locale
    "text_ci",       # equality itself is loose (citext, NOCASE, a nondeterministic collation)
    "char",          # blank padded
    "enum", "uuid", "date", "time", "timestamp", "timestamptz", "json", "bytes",
    "mixed",         # the declared type is not what the rows need hold (SQLite without STRICT)
    "opaque",        # can be read as text, and compared with nothing
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Column:
    """One column: `type` is what crosses as Arrow, `kind` (one of KINDS) decides which predicates are safe on it."""

    name: str
    type: pa.DataType
    kind: str
    native: str = ""
    nullable: bool = True
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """A source table as discovered. `key` is its primary key, () if it has none.

    `required` names columns of which one must be given by key or equality ("by key only" tables: SaaS, hot OLTP).
    """

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    comment: str = ""

    def column(self, name: str) -> Column | None:
        """The column of that exact name, or None."""
        return next((c for c in self.columns if c.name == name), None)

    def arrow_schema(self, columns: tuple[str, ...] | None = None) -> pa.Schema:
        """The Arrow schema of the given columns (default: all), in the order given."""
        by_name = {c.name: c for c in self.columns}
        return pa.schema([pa.field(n, by_name[n].type) for n in columns or tuple(by_name)])


@dataclass(frozen=True, slots=True)
class Statistics:
    """Estimates from the source's own catalog; None or a missing entry means unknown. Never used for correctness.

    `distinct` is a count of values per column, `null_share` lies in 0..1, `indexed` holds each index's leading column. `at_most`: `rows`
    is an upper bound, there may be far fewer.
    """

    rows: int | None = None
    distinct: Mapping[str, float] = field(default_factory=dict)
    null_share: Mapping[str, float] = field(default_factory=dict)
    indexed: frozenset[str] = frozenset()
    at_most: bool = False
