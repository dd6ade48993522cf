"""A plan: what will be asked of whom, in which order, and what is done with it. Frozen, printable, serialisable: data.

ids        i0 = the bound parameters, or what the searches of an earlier stage find
lookups    x0 = the crosswalk's links of i0                     (trusted room)
fetches    s0 = a fragment, by the keys of x0 if it has any     (sources, all of a stage at the same time)
searches   SQL over s… that finds ids                           (trusted room, between stages)
relations  SQL over s… and x…: the guarded relations            (trusted room; only their columns leave it)
user_sql   the user's query over the relations                  (user's room)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
from sqlglot import exp

from connectors.spi import Fragment
from federation.direct import Direct

FIRST_STAGE = 1
"""Stages are counted as they are told."""


@dataclass(frozen=True, slots=True)
class IdSet:
    """id360s by name: bound `params`, or the ids that all `searches` have in common. `stage` is when they are known."""

    name: str
    stage: int
    params: tuple[str, ...] = ()
    searches: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Lookup:
    """The slice of crosswalk table `table` that belongs to the ids: columns `columns`, of which the first `keys` are the key.

    Where an identifier is not stored, `search` names the SELECT that finds the same live. Without `ids` it is the whole table.
    """

    slot: str
    table: str
    columns: tuple[str, ...]
    keys: int
    ids: str
    search: str = ""


@dataclass(frozen=True, slots=True)
class Fetch:
    """One fragment, into slot `slot`, which has `schema`. `lookup` names the slice of the crosswalk whose keys it is asked by, and
    whose id360 and ord its rows then carry; without keys in it the source is not asked. `max_keys` is the longest list worth
    sending: beyond it the table is read without keys, unless it may be read `by_key_only`."""

    slot: str
    stage: int
    fragment: Fragment
    schema: pa.Schema
    lookup: str = ""
    max_keys: int = 0
    reasons: tuple[str, ...] = ()
    by_key_only: bool = False


def quick(fetches: Sequence[Fetch]) -> bool:
    """Whether all of them are few rows: asked by keys, or limited."""
    return all(f.lookup or f.fragment.limit for f in fetches)


@dataclass(frozen=True, slots=True)
class Trusted:
    """A SELECT of the trusted room over `slots`. `columns` are what it yields."""

    name: str
    stage: int
    sql: str
    slots: tuple[str, ...]
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class QueryPlan:
    """Everything the executor needs, and nothing that opens anything. See the module's docstring.

    `params` are those that the caller must bind, `user_params` those that `user_sql` reads. `direct` is given where the answer
    takes no user's room.
    """

    user_sql: str
    relations: tuple[Trusted, ...]
    fetches: tuple[Fetch, ...]
    searches: tuple[Trusted, ...] = ()
    lookups: tuple[Lookup, ...] = ()
    ids: tuple[IdSet, ...] = ()
    params: tuple[str, ...] = ()
    user_params: tuple[str, ...] = ()
    constants: Mapping[str, object] = field(default_factory=dict)
    computed: Mapping[str, exp.Expr] = field(default_factory=dict)
    direct: Direct | None = None
    crosswalk_version: int | None = None
    statement: str = ""
    journal: tuple[str, ...] = ()

    @property
    def stages(self) -> range:
        """The numbers of all stages, in order."""
        return range(FIRST_STAGE, 1 + max((f.stage for f in self.fetches), default=FIRST_STAGE))

    def as_dict(self) -> dict[str, Any]:
        """The plan as JSON-able data. Bound values are named, never shown."""
        return {
            "crosswalk_version": self.crosswalk_version,
            "ids": [{"name": i.name, "stage": i.stage, "params": list(i.params), "searches": list(i.searches)} for i in self.ids],
            "lookups": [{"slot": x.slot, "table": x.table, "columns": list(x.columns), "ids": x.ids} for x in self.lookups],
            "fetches": [_fetch(f) for f in self.fetches],
            "searches": [{"name": s.name, "sql": s.sql} for s in self.searches],
            "relations": [{"name": r.name, "columns": list(r.columns), "sql": r.sql} for r in self.relations],
            "user_sql": self.user_sql,
            "direct": self.direct is not None,
            "params": list(self.params),
            "journal": list(self.journal),
        }


def _fetch(fetch: Fetch) -> dict[str, Any]:
    fragment = fetch.fragment
    return {
        "slot": fetch.slot,
        "stage": fetch.stage,
        "source": fragment.source,
        "table": fragment.table,
        "sql": fragment.select().sql("duckdb", copy=False, comments=False),
        "keys": list(fragment.keys.columns) if fragment.keys else [],
        "lookup": fetch.lookup,
        "reason_local": list(fetch.reasons),
    }
