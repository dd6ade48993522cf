"""A guarded relation as SQL for the trusted room.

Where its inputs stand is told by `Places`, of which there are two: slots with what the executor will have fetched (`s0` for a scan, `x0`
for a slice of the crosswalk; see federation.cut), and the sources' tables themselves (see federation.inline).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sqlglot import exp

from connectors.spi import Table, family
from connectors.spi.errors import InternalError, SchemaDrift
from federation.context import kind_of
from federation.errors import NoCrosswalk
from federation.query import Given, Ids, Relation, Scan
from identity.crosswalk import HOUSEHOLD_OF, Crosswalk, IdentifierTable, LinkTable
from views.branches import TO_UTC, absent
from views.errors import did_you_mean
from views.relations import Links, LinkUse, Members, Survived
from views.survive import EXTRA, attribute_of, needed_attributes, survived_select

ROW, LINK = "s", "x"
"""Aliases within a branch: the source's row, the crosswalk's."""

CARRIED = ("c360_id360", "c360_ord")
"""What a scan asked by keys brings along: whose the row is, and its key's rank. The executor has both at hand from the look-up, and
a join of six small inputs in DuckDB costs more than the sources do."""


Linked = LinkTable | IdentifierTable
"""What turns a row into an id360: a table of source keys, or one of identifiers."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where a relation's inputs stand: `scan` and `links` give the table expression for each."""

    scan: Callable[[Relation, Scan], exp.Expr]
    links: Callable[[Linked, Ids | None], exp.Expr]
    carriers: Callable[[Relation, Ids | None], exp.Expr]
    crosswalk: Crosswalk | None


def relation_select(relation: Relation, places: Places) -> exp.Select:
    """The relation with all its policies, as one SELECT of `relation.columns`; of a constant column if it reads none."""
    match relation.view:
        case Links():
            inner: exp.Query = _links_select(relation, places)
        case Members() as view:
            inner = _members_select(relation, view, places)
        case Survived() as view:
            types = {**view.types, **dict.fromkeys(("_source", "_key"), "VARCHAR"), **_TIES}
            rows = _union([branch_select(relation, s, places) for s in relation.scans], (*branch_columns(relation), *_TIES), types)
            few = isinstance(relation.ids, Given) and all(carries(relation, s) for s in relation.scans)
            return survived_select(view, relation.columns, rows, branch_columns(relation), gathered=few and len(relation.scans) > 1)
        case _:
            inner = _union([branch_select(relation, s, places) for s in relation.scans], relation.columns, relation.view.types)
    return _pick(relation.columns, inner)


_TIES = {"_at": "TIMESTAMP", "_ord": "INTEGER", "_rank": "INTEGER"}


def _pick(columns: Sequence[str], inner: exp.Query) -> exp.Select:
    # copy=False here and below: the trees are ours alone, and copying them at each step is most of what planning costs
    wanted: list[exp.Expr] = [exp.column(c, quoted=True) for c in columns]
    wanted = wanted or [exp.alias_(exp.Literal.number(1), "_")]
    return exp.select(*wanted, copy=False).from_(inner.subquery("r", copy=False), copy=False)


def branch_columns(relation: Relation) -> tuple[str, ...]:
    """The view columns that a branch must compute: those read, or what survivorship needs to decide them."""
    if not isinstance(relation.view, Survived):
        return relation.columns
    needed = needed_attributes(relation.view, relation.columns)
    return ("id360", *(a for a in needed if any(not absent(s.branch.columns[a]) or a.startswith("_") for s in relation.scans)))


def never_given(relation: Relation) -> tuple[str, ...]:
    """The relation's columns that are NULL in every row: no mapping gives them, and no mask puts anything there."""
    view = relation.view
    if isinstance(view, Survived):
        given = {*branch_columns(relation), *view.masks, *EXTRA}
        return tuple(c for c in relation.columns if attribute_of(c) not in given and c not in given)
    return tuple(c for c in relation.columns if c != "id360" and all(absent(s.branch.columns[c]) for s in relation.scans))


def reads_links(relation: Relation) -> bool:
    """Whether the crosswalk is read at all: a LEFT JOIN on its unique key changes nothing if no column of it is used."""
    return relation.ids is not None or "id360" in branch_columns(relation)


def carries(relation: Relation, scan: Scan) -> bool:
    """Whether the scan's rows come with their id360 and rank (see CARRIED)."""
    return scan.keys is not None and relation.ids is not None and scan.branch.link is not None and reads_links(relation)


def source_columns(relation: Relation, scan: Scan) -> tuple[str, ...]:
    """The source columns that the trusted room needs of a scan, in the table's order; at least one.

    Raises SchemaDrift if a mapping names one that the table does not have."""
    trees = [(f"`{name}`", tree) for name, tree in _expressions(relation, scan).items()] + [("`where`", tree) for tree in scan.branch.where]
    if reads_links(relation) and scan.branch.link:
        trees += [("the key or `person`", tree) for tree in scan.branch.link.on]
    used = {c.name.lower(): (c.name, of) for of, tree in trees for c in tree.find_all(exp.Column)}
    known = {c.name.lower(): c.name for c in scan.table.columns}
    for name, of in (place for low, place in used.items() if low not in known):
        said = f"`{scan.branch.source}.{scan.table.name}` has no column `{name}`, which its mapping names for {of}"
        raise SchemaDrift(scan.branch.source, said, hint=did_you_mean(name, known.values()))
    picked = tuple(c.name for c in scan.table.columns if c.name.lower() in used)
    return picked or (scan.table.key or tuple(c.name for c in scan.table.columns))[:1]


def _expressions(relation: Relation, scan: Scan) -> dict[str, exp.Expr]:
    columns = scan.branch.columns
    chosen = {name: columns[name] for name in branch_columns(relation) if name in columns}
    if isinstance(relation.view, Survived):
        chosen["_at"] = exp.cast(exp.null(), "TIMESTAMP")
        dated = relation.view.survivorship.updated_at
        if dated in columns and ("last_updated_at" in relation.columns or any(not absent(e) for e in chosen.values())):
            chosen["_at"] = columns[dated]
    return chosen


def branch_select(relation: Relation, scan: Scan, places: Places) -> exp.Select:
    """One branch: the view's columns over the source's row, with id360 joined from the crosswalk where it is read."""
    branch, chosen = scan.branch, _expressions(relation, scan)
    outputs = {name: _on_row(expression, scan.table) for name, expression in chosen.items()}
    query = exp.select().from_(exp.alias_(places.scan(relation, scan), ROW, table=True, copy=False), copy=False)
    if reads_links(relation):
        outputs["id360"] = exp.cast(exp.null(), "BIGINT")
        if carries(relation, scan):
            outputs["id360"], outputs["_ord"] = (exp.column(c, ROW) for c in CARRIED)
        elif branch.link is not None:
            keys = zip(linked_by(scan, places.crosswalk), key_types(scan, places.crosswalk), branch.link.on, strict=True)
            on = exp.and_(*(_same_key(exp.column(k, LINK), t, _on_row(e, scan.table), scan.table) for k, t, e in keys))
            inner = relation.ids is not None or isinstance(relation.view, Survived)
            placed = exp.alias_(placed_links(relation, scan, places), LINK, table=True, copy=False)
            query = query.join(placed, on=on, join_type="inner" if inner else "left", copy=False)
            outputs["id360"], outputs["_ord"] = exp.column("id360", LINK), exp.column("ord", LINK)
    if isinstance(relation.view, Survived):
        tables = [(b.source, b.table) for b in relation.view.records.branches]
        outputs["_rank"] = exp.Literal.number(tables.index((branch.source, branch.table)))
    for condition in branch.where:
        query = query.where(_on_row(condition, scan.table), copy=False)
    names = (*branch_columns(relation), *(_TIES if isinstance(relation.view, Survived) else ()))
    aliased = [exp.alias_(outputs[n], n, quoted=True, copy=False) for n in names] or [exp.alias_(exp.Literal.number(1), "_")]
    return query.select(*aliased, copy=False)


def key_columns(linked: Linked) -> tuple[str, ...]:
    """The columns of a link table that hold the key."""
    return linked.columns if isinstance(linked, LinkTable) else ("value",)


def linked_by(scan: Scan, crosswalk: Crosswalk | None) -> tuple[str, ...]:
    """The key columns of what links a scan's rows."""
    if scan.carriers is not None or scan.branch.link is None:
        return ("value",)
    return key_columns(link_table(scan.branch.link, crosswalk))


def key_types(scan: Scan, crosswalk: Crosswalk | None) -> tuple[str, ...]:
    """The DuckDB types of the key that links a scan's rows, as the crosswalk holds it."""
    if scan.carriers is not None or scan.branch.link is None:
        return ("VARCHAR",)
    linked = link_table(scan.branch.link, crosswalk)
    return linked.key_types if isinstance(linked, LinkTable) else ("VARCHAR",)


def _same_key(key: exp.Expr, type_: str, value: exp.Expr, table: Table) -> exp.Expr:
    """A crosswalk key equals a source's value: text by text if only one of them is text, so that nothing is cast that may not fit."""
    column = table.column(value.name) if isinstance(value, exp.Column) else None
    if column is not None and (kind_of(type_) == "text") != (family(column.type) == "text"):
        return exp.cast(key, "VARCHAR").eq(exp.cast(value, "VARCHAR"))
    return key.eq(value)


def placed_links(relation: Relation, scan: Scan, places: Places) -> exp.Expr:
    """Where the links of a scan's rows stand. Raises NoCrosswalk."""
    if scan.carriers is not None:
        return places.carriers(scan.carriers, relation.ids)
    if scan.branch.link is None:
        raise InternalError("a branch without a link is joined with the crosswalk")
    return places.links(link_table(scan.branch.link, places.crosswalk), relation.ids)


def carriers_select(carriers: Relation, places: Places) -> exp.Select:
    """(value, id360) of an identifier that is not stored: like the crosswalk's table of it, without values of more than one person."""
    rows = relation_select(carriers, places).subquery("c")
    value, owner = exp.column("value", quoted=True), exp.column("id360", quoted=True)
    query = exp.select(value, exp.alias_(exp.Min(this=owner), "id360")).from_(rows)
    known = exp.not_(value.copy().is_(exp.null())), exp.not_(owner.copy().is_(exp.null()))
    one = exp.Count(this=exp.Distinct(expressions=[owner.copy()])).eq(1)
    return query.where(*known).group_by(value.copy()).having(one)


def link_table(use: LinkUse, crosswalk: Crosswalk | None) -> Linked:
    """The crosswalk's table for a branch. Raises NoCrosswalk if `resolve` has not made it yet."""
    if crosswalk is None:
        raise NoCrosswalk(f"id360 of `{use.name}` is read, but there is no crosswalk yet", hint="run `c360 resolve`")
    found = (
        crosswalk.identifier_of(use.entity, use.space, use.identifier)
        if use.identifier
        else crosswalk.link_of(use.entity, use.space, use.source, use.table)
    )
    if found is None:
        raise NoCrosswalk(f"crosswalk {crosswalk.version} has no links for `{use.name}`", hint="run `c360 resolve`")
    return found


def _links_select(relation: Relation, places: Places) -> exp.Query:
    if places.crosswalk is None:
        raise NoCrosswalk("there is no crosswalk yet", hint="run `c360 resolve`")
    selects = []
    for link in places.crosswalk.links:
        keys = [exp.column(f"k{i}", LINK) for i in range(len(link.key_columns))]
        text = exp.cast(keys[0] if len(keys) == 1 else exp.Anonymous(this="json_array", expressions=keys), "VARCHAR")
        words = {"entity": link.entity, "space": link.space, "source": link.source, "source_table": link.table}
        columns: dict[str, exp.Expr] = {"id360": exp.column("id360", LINK), "key": text}
        columns |= {n: exp.Literal.string(w) for n, w in words.items()}
        picked = [exp.alias_(columns[n], n, quoted=True) for n in relation.columns] or [exp.alias_(exp.Literal.number(1), "_")]
        selects.append(
            exp.select(*picked, copy=False).from_(exp.alias_(places.links(link, relation.ids), LINK, table=True, copy=False), copy=False)
        )
    return _union(selects, relation.columns, relation.view.types)


def _members_select(relation: Relation, view: Members, places: Places) -> exp.Query:
    tables = [t for t in places.crosswalk.households if t.entity == HOUSEHOLD_OF + view.entity] if places.crosswalk else []
    if not tables:
        raise NoCrosswalk(f"the crosswalk has no households for `{view.name}`", hint="run `c360 resolve`")
    household, person = exp.column("household_id"), exp.column("id360")
    selects = []
    for table in tables:
        placed = exp.alias_(places.links(table, None), LINK, table=True)
        columns = exp.alias_(exp.column("id360", LINK), "household_id"), exp.alias_(exp.column("k0", LINK), "id360")
        selects.append(exp.select(*columns).from_(placed))
    members = _union(selects, tuple(view.types), view.types)
    if relation.people is None:
        return members
    seen = exp.select("id360").from_(relation_select(relation.people, places).subquery("p")).subquery()
    size = exp.Window(this=exp.Count(this=exp.Star()), partition_by=[household])
    shown = exp.select(household.copy(), person.copy()).from_(members.subquery("m")).where(exp.In(this=person.copy(), query=seen))
    return shown.qualify(exp.GT(this=size, expression=exp.Literal.number(1)))


def _union(selects: Sequence[exp.Select], columns: Sequence[str], types: Mapping[str, str]) -> exp.Query:
    if not selects:  # every branch was pruned: the right columns, and no row
        nulls = [exp.alias_(exp.cast(exp.null(), types[c]), c, quoted=True) for c in columns] or [exp.alias_(exp.Literal.number(1), "_")]
        return exp.select(*nulls).where(exp.false())
    union: exp.Query = selects[0]
    for select in selects[1:]:
        union = exp.union(union, select, distinct=False, copy=False)
    return union


def _on_row(expression: exp.Expr, table: Table) -> exp.Expr:
    """Qualify the source's columns with the row's alias, and settle time zones now that column types are known."""

    def settle(node: exp.Expr) -> exp.Expr:
        if isinstance(node, exp.Column):
            known = next((c.name for c in table.columns if c.name.lower() == node.name.lower()), node.name)
            return exp.column(known, ROW, quoted=True)
        if isinstance(node, exp.Anonymous) and node.name == TO_UTC:
            value, zone = node.expressions
            return _to_utc(value, zone, table)
        return node

    return expression.transform(settle)


def _to_utc(value: exp.Expr, zone: exp.Expr, table: Table) -> exp.Expr:
    column = table.column(value.name) if isinstance(value, exp.Column) else None
    stamp = exp.cast(value, "TIMESTAMP")
    if column is not None and column.kind == "timestamptz":
        return stamp  # an instant already; the rooms' own time zone is UTC
    local = exp.Anonymous(this="timezone", expressions=[zone, stamp])
    return exp.Anonymous(this="timezone", expressions=[exp.Literal.string("UTC"), local])
