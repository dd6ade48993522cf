"""Cut a planned query into fragments per source, lookups in the crosswalk, and SQL for the two rooms."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace

import pyarrow as pa
from sqlglot import exp

from connectors.spi import Fragment, Param, Table
from connectors.spi.errors import MissingKey
from federation.context import Context
from federation.direct import direct
from federation.plan import FIRST_STAGE, Fetch, IdSet, Lookup, QueryPlan, Trusted
from federation.query import Found, Given, Ids, Query, Relation, Scan
from federation.render import (
    CARRIED,
    Linked,
    Places,
    carriers_select,
    carries,
    key_columns,
    link_table,
    relation_select,
    source_columns,
)  # fmt: skip
from identity.crosswalk import LinkTable


def cut(query: Query, context: Context, params: tuple[str, ...]) -> QueryPlan:
    """The plan for a state of a query. `params` are the parameters that the caller must bind."""
    answer = direct(query)
    if answer is not None:
        answer, relation = answer.without_nulls(query.relations[0], lambda type_: _arrow_type(type_, context))
        query = replace(query, relations=(relation,))
    cutter = _Cutter(query, context)
    relations = tuple(cutter.trusted(r, FIRST_STAGE) for r in query.relations)
    crosswalk = context.crosswalk
    return QueryPlan(
        user_sql=_each_read_once(query.user).sql("duckdb", copy=False, comments=False),
        relations=relations,
        fetches=tuple(cutter.fetches),
        searches=tuple(cutter.searches),
        lookups=tuple(cutter.lookups.values()),
        ids=tuple(cutter.ids.values()),
        params=params,
        user_params=tuple(dict.fromkeys(p.name for p in query.user.find_all(exp.Placeholder))),
        constants=query.constants,
        computed=query.computed,
        direct=answer,
        crosswalk_version=crosswalk.version if crosswalk else None,
        journal=query.journal,
    )


def _arrow_type(type_: str, context: Context) -> pa.DataType | None:
    null = context.evaluate(exp.cast(exp.null(), type_), {})
    return null.type if null is not None else None


def _each_read_once(user: exp.Query) -> exp.Query:
    """The user's query with every CTE that is used more than once materialised.

    A long relation crosses as a stream, and a stream can be read once. `NOT MATERIALIZED` would have DuckDB read it once per use.
    """
    user = user.copy()
    uses = Counter(table.name for table in user.find_all(exp.Table))
    for cte in user.find_all(exp.CTE):
        cte.set("materialized", True if uses[cte.alias] > 1 else None)
    return user


@dataclass
class _Cutter:
    query: Query
    context: Context
    fetches: list[Fetch] = field(default_factory=list)
    searches: list[Trusted] = field(default_factory=list)
    lookups: dict[tuple[str, str], Lookup] = field(default_factory=dict)
    ids: dict[object, IdSet] = field(default_factory=dict)

    def trusted(self, relation: Relation, stage: int, *, whole: bool = False) -> Trusted:
        """Cut one relation; what finds its ids comes a stage earlier, so it moves up by one. `whole`: as carriers of identifiers."""
        if relation.ids is not None:
            stage = self._ids(relation.ids, stage).stage
        if any(s.carriers is not None and carries(relation, s) for s in relation.scans):
            stage += 1
        slots: list[str] = []

        def place_scan(owner: Relation, scan: Scan) -> exp.Expr:
            slots.append(scan.name)
            self._fetch(owner, scan, stage)
            return exp.table_(scan.name)

        def place_links(linked: Linked, ids: Ids | None) -> exp.Expr:
            if ids is None:
                version = self.context.crosswalk.version if self.context.crosswalk else 0
                return exp.table_(linked.name, catalog=f"xw{version}", db="main")
            slot = self._lookup(linked, ids).slot
            slots.append(slot)
            return exp.table_(slot)

        def place_carriers(carriers: Relation, ids: Ids | None) -> exp.Expr:
            slot = self._carriers(carriers, ids).slot
            slots.append(slot)
            return exp.table_(slot)

        places = Places(place_scan, place_links, place_carriers, self.context.crosswalk)
        select = carriers_select(relation, places) if whole else relation_select(relation, places)
        sql = select.sql("duckdb", copy=False, comments=False)
        return Trusted(relation.name, stage, sql, tuple(dict.fromkeys(slots)), relation.columns or ("_",))

    def _ids(self, ids: Ids, stage: int) -> IdSet:
        if _same(ids) in self.ids:
            return self.ids[_same(ids)]
        name = f"i{len(self.ids)}"
        match ids:
            case Given(params=params):
                made = IdSet(name, stage, params=params)
            case Found(searches=searches):
                done = [self.trusted(s, stage) for s in searches]
                self.searches += done
                made = IdSet(name, 1 + max(d.stage for d in done), searches=tuple(d.name for d in done))
        self.ids[_same(ids)] = made
        return made

    def _lookup(self, linked: Linked, ids: Ids) -> Lookup:
        place = (linked.name, self.ids[_same(ids)].name)
        if place not in self.lookups:
            keys = key_columns(linked)
            columns = (*keys, "id360", *(("ord",) if isinstance(linked, LinkTable) else ()))
            self.lookups[place] = Lookup(f"x{len(self.lookups)}", linked.name, columns, len(keys), place[1])
        return self.lookups[place]

    def _carriers(self, carriers: Relation, ids: Ids | None) -> Lookup:
        """What links rows by an identifier that is not stored: found live, by a search over all records."""
        place = (carriers.name, self.ids[_same(ids)].name if ids is not None else "")
        if place not in self.lookups:
            self.searches.append(self.trusted(carriers, FIRST_STAGE, whole=True))
            self.lookups[place] = Lookup(f"x{len(self.lookups)}", "", ("value", "id360"), 1, place[1], carriers.name)
        return self.lookups[place]

    def _fetch(self, relation: Relation, scan: Scan, stage: int) -> None:
        lookup = ""
        if carries(relation, scan) and relation.ids is not None and scan.branch.link is not None:
            if scan.carriers is not None:
                lookup = self._carriers(scan.carriers, relation.ids).slot
            else:
                lookup = self._lookup(link_table(scan.branch.link, self.context.crosswalk), relation.ids).slot
        wanted = sorted({p.name for c in scan.conjuncts for p in c.find_all(exp.Placeholder)})
        fragment = Fragment(
            source=scan.branch.source,
            table=scan.table.name,
            columns=source_columns(relation, scan),
            conjuncts=scan.conjuncts,
            params=tuple(Param(n, self.query.params[n]) for n in wanted),
            keys=scan.keys if lookup else None,
            order=scan.order,
            limit=scan.limit,
        )
        if lookup and scan.keys is not None:  # the keys are matched again when the rows arrive
            fragment = replace(fragment, columns=(*fragment.columns, *(c for c in scan.keys.columns if c not in fragment.columns)))
        if scan.table.required and not _by_key(fragment, scan.table):
            raise by_key_only(fragment.source, scan.table)
        schema = scan.table.arrow_schema(fragment.columns)
        for name, type_ in zip(CARRIED, (pa.int64(), pa.int32()), strict=True) if lookup else ():
            schema = schema.append(pa.field(name, type_))
        most = self.context.capabilities(fragment.source).max_keys
        self.fetches.append(Fetch(scan.name, stage, fragment, schema, lookup, most, scan.reasons, bool(scan.table.required)))


def _by_key(fragment: Fragment, table: Table) -> bool:
    """Whether a fragment gives one of the table's required columns by key or equality."""
    wanted = set(table.required)
    equal = {c.this.name for c in fragment.conjuncts if isinstance(c, exp.EQ | exp.In) and isinstance(c.this, exp.Column)}
    return bool(wanted & (equal | set(fragment.keys.columns if fragment.keys else ())))


def by_key_only(source: str, table: Table) -> MissingKey:
    """The error for a table that may not be read whole."""
    columns = " or ".join(table.required)
    return MissingKey(
        f"`{source}.{table.name}` is read by key only: by {columns}",
        hint="ask for people by id360, or give the key: WHERE … = …; `required` in the source's `tables` says so",
    )


def _same(ids: Ids) -> object:
    """What makes two id sets one: the same parameters, or being the same search."""
    return ids if isinstance(ids, Given) else id(ids)
