"""What a query must answer: every source copied into one local DuckDB, asked twice over.

`LocalCopy.state` runs a state of the planner as the one statement that `inline.statement` prints.
`LocalCopy.sql` runs the user's own text over DuckDB views, so that neither the gateway's qualification nor any pass is in between.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

import duckdb
import pyarrow as pa
from sqlglot import exp

from connectors.spi import Capabilities, Deadline, Fragment
from federation import parameters
from federation.answers import table
from federation.context import Context
from federation.inline import inline_places, statement
from federation.passes import NAMES
from federation.planner import Planner
from federation.query import Found, Given, Query, Relation, Scan
from federation.render import relation_select
from federation.session import Session, bound
from identity.crosswalk import Crosswalk
from tests.support.world import World
from views.branches import raw_view
from views.relations import Records, Survived

Rows = list[tuple[Any, ...]]


class UnwrittenPlanner(Planner):
    """Plans as the project does, but leaves conjuncts as DuckDB writes them instead of in each source's own form."""

    def context(self, values: Mapping[str, object], crosswalk: Crosswalk | None) -> Context:
        made = super().context(values, crosswalk)
        return replace(made, capabilities=lambda source: _unwritten(made.capabilities(source)))


def _unwritten(capabilities: Capabilities) -> Capabilities:
    return replace(capabilities, rules=tuple(replace(rule, emit=None) for rule in capabilities.rules))


def _placeholders(query: Query) -> set[str]:
    """The parameters of a state: the user's, the scans', and those that name ids; of its searches as well."""
    names = {p.name for p in query.user.find_all(exp.Placeholder)}
    relations = list(query.relations)
    while relations:
        relation = relations.pop()
        names |= {p.name for s in relation.scans for c in s.conjuncts for p in c.find_all(exp.Placeholder)}
        match relation.ids:
            case Given(params=params):
                names |= set(params)
            case Found(searches=searches):
                relations += searches
    return names


class LocalCopy:
    """All tables of a world as `"source"."table"`, its crosswalk as `xw`, and for each principal the unified views as views."""

    def __init__(self, world: World) -> None:
        self.world, self.project = world, world.project
        crosswalk = world.project.store.current()
        assert crosswalk is not None
        self.crosswalk = crosswalk
        self.planner = UnwrittenPlanner(self.project.source, self.project.trusted, self.project.windows, self.project.user)
        self.con = duckdb.connect(":memory:", config={"threads": 1})
        self.con.execute("SET TimeZone = 'UTC'")
        # 1.5.5 makes up rows for ORDER BY … NULLS FIRST LIMIT over a left join: a filter of the top goes to the join's other side
        self.con.execute("SET disabled_optimizers = 'top_n'")
        crosswalk.attach(self.con, "xw")
        for source in world.sources:
            self._copy(source)
        self._with_views: dict[str, duckdb.DuckDBPyConnection] = {}
        self.ids = world.ids()

    def _copy(self, source: str) -> None:
        connector = self.project.source(source)
        self.con.execute(f'CREATE SCHEMA "{source}"')
        session = connector.session(Deadline.after(60), snapshot=True)
        for name in connector.tables():
            columns = tuple(c.name for c in connector.table(name).columns)
            stream = session.run(Fragment(source, name, columns), {})
            rows = pa.Table.from_batches(list(stream), stream.schema)  # noqa: F841 - read by the statement below
            stream.close()
            self.con.execute(f'CREATE TABLE "{source}"."{name.replace(".", "_")}" AS SELECT * FROM rows')
        session.close()

    def plan(self, session: Session, sql: str, params: Any = None, off: Collection[str] = ()) -> Query:
        """The planner's state for a query without the passes that are off."""
        return self.planner.plan_state(sql, bound(params), session.views, self.crosswalk, off)[0]

    def state(self, query: Query, params: Any = None) -> Rows:
        """The rows of a state, printed as one statement and run over the copies."""
        values: dict[str, object] = {parameters.NOW: dt.datetime.now(dt.UTC), **query.constants, **bound(params)}
        for name, expression in query.computed.items():
            found = self.project.planner.evaluate(expression, values)
            values[name] = None if found is None else found.as_py()
        sql = statement(query, self.crosswalk)
        return self._run(self.con.cursor(), sql, {n: values[n] for n in _placeholders(query)})

    def printed(self, query: Query) -> str:
        return statement(query, self.crosswalk)

    def sql(self, session: Session, sql: str, params: Any = None) -> Rows:
        """The rows of the user's own text over the unified views as DuckDB views."""
        return self._run(self._views(session), sql, params)

    @staticmethod
    def _run(cursor: duckdb.DuckDBPyConnection, sql: str, params: Any) -> Rows:
        found = table(cursor.execute(sql, params or None))
        return list(zip(*(column.to_pylist() for column in found.columns), strict=True)) if found.num_rows else []

    def _views(self, session: Session) -> duckdb.DuckDBPyConnection:
        known = self._with_views.get(session.principal)
        if known is not None:
            return known
        con = self.con.cursor()
        con.execute(f"CREATE SCHEMA v_{session.principal}")
        for name in session.views.names:
            view = session.views.get(name)
            assert view is not None
            if not session.views.closed(name):
                for known_as in (name, *(("support_case",) if name == "case" else ())):
                    con.execute(f'CREATE VIEW v_{session.principal}."{known_as}" AS {self._view_sql(view)}')
        con.execute(f"USE memory.v_{session.principal}")
        self._with_views[session.principal] = con
        return con

    def _view_sql(self, view: Any) -> str:
        records = view.records if isinstance(view, Survived) else view
        branches = records.branches if isinstance(records, Records) else ()
        scans = tuple(Scan(f"s{i}", b, self.project.source(b.source).table(b.table)) for i, b in enumerate(branches))
        shown = tuple(c for c in view.types if c not in view.hidden)
        return relation_select(Relation("r", view, shown, scans), inline_places(self.crosswalk)).sql("duckdb")

    def raw(self, source: str, table: str) -> Rows:
        view = raw_view(source, self.project.source(source).table(table))
        return self.con.execute(self._view_sql(view)).fetchall()


def comparable(rows: Iterable[tuple[Any, ...]], *, ordered: bool = False) -> list[tuple[Any, ...]]:
    """Rows in a form in which equal answers are equal: sorted unless the order counts, NaN equal to itself, sums of doubles rounded."""
    made = [tuple(map(_value, row)) for row in rows]
    return made if ordered else sorted(made, key=repr)


def _value(value: Any) -> Any:
    match value:
        case float():
            return "NaN" if math.isnan(value) else float(f"{value:.12g}") + 0.0
        case Decimal():
            return value.normalize() + 0
        case dt.datetime() if value.tzinfo is not None:
            return value.astimezone(dt.UTC).replace(tzinfo=None), "instant"
        case list():
            return [_value(v) for v in value]
        case dict():
            return {k: _value(v) for k, v in value.items()}
    return value


def subsets(seed: int, random_ones: int) -> list[tuple[str, ...]]:
    """Sets of passes to switch off: none, all, each one, all but each one, and random ones."""
    import random

    rng = random.Random(seed)
    chosen = [(), NAMES, *((n,) for n in NAMES), *(tuple(m for m in NAMES if m != n) for n in NAMES)]
    chosen += [tuple(n for n in NAMES if rng.random() < 0.5) for _ in range(random_ones)]
    return list(dict.fromkeys(chosen))


Params = Mapping[str, object] | list[object] | None
