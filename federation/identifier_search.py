"""The records that carry one identifier, found live at the sources: exactly, in normal form, and never by reading a large table.

What the search finds is not yet for the principal's eyes: it yields keys only, and whoever reads rows by them does so in a window, with
all policies. A value that is masked for the principal is not searched by, so that no answer tells of what is under the mask.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
from sqlglot import exp

from connectors.spi import Support
from connectors.spi.errors import SourceError
from federation import parameters
from federation.answers import table as arrow_table
from federation.context import Context
from federation.passes.push_filters import by_table, folded, judge, push_filters, unwrapped
from federation.planner import NOW_TYPE, Prepared
from federation.query import Query, Relation, Scan
from federation.report import Report
from federation.values import Values
from federation.window import ENTITY, Extent, run_all
from identity.crosswalk import Crosswalk, LinkTable
from identity.exact_rules import CAP
from identity.model import MatchKey
from identity.normalise import normalised, source_predicate
from views.branches import absent, bare_branch
from views.errors import MissingSecret
from views.expand import RECORD, Views
from views.model import Mapping, Model
from views.relations import Branch, Records, Survived

if TYPE_CHECKING:
    from federation.session import Session

READ_WHOLE = 10_000
"""A table of at most so many rows is read for a search that its source cannot do."""
FILTERED_WHOLE, FILTERED_COLUMNS = 100_000, 1_000_000
"""A source may look through a table of so many rows for a search that no index serves; a columnar one through more."""
COLUMNAR = frozenset({"files", "duckdb"})
PROVISIONAL = -1
"""Stands for the id360 of whoever has none yet; ids are never negative."""


@dataclass(frozen=True, slots=True)
class Hit:
    """An unknown record: its key, and the link that the crosswalk would have to have (a row of `link`, to nobody's id). `attribute` is
    the identifier that found it."""

    link: LinkTable
    key: tuple[object, ...]
    row: pa.Table = field(repr=False, compare=False)
    attribute: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Carriers:
    """Who carries a value: ids of known people, and unknown records. `crowded`: too many do."""

    people: frozenset[int] = frozenset()
    unknown: tuple[Hit, ...] = ()
    crowded: bool = False


@dataclass(frozen=True, slots=True)
class SearchPlan(Prepared):
    """A plan that finds records: relation i yields those of link table `places[i]`. `not_searched` says what is left out, and why."""

    places: tuple[LinkTable, ...] = ()
    not_searched: tuple[str, ...] = ()


def match_keys(model: Model) -> dict[MatchKey, bool]:
    """What may find a record by itself: attributes of which a rule asks nothing else, and those that identify; whether a rule does."""
    rules = [rule.parts[0] for rule in model.rules.get(ENTITY, ()) if len(rule.parts) == 1]
    ruled = {part.attribute for part in rules}
    attributes = model.objects[ENTITY].attributes.values()
    identifiers = [MatchKey(a.name, a.normal) for a in attributes if a.identifier and a.name not in ruled]
    return dict.fromkeys(rules, True) | dict.fromkeys(identifiers, False)


def masked(views: Views, attribute: str) -> bool:
    """Whether the principal sees something else in the attribute's place."""
    view = views.get(ENTITY)
    if isinstance(view, Survived) and attribute in view.masks:
        return True
    return any(guarded.columns[attribute] != bare_branch(views.model, m).columns[attribute] for m, guarded in _branches(views))


def search(
    session: Session, crosswalk: Crosswalk, key: MatchKey, given: object, report: Report, extent: Extent, not_searched: set[str]
) -> Carriers:
    """Who carries a value. What is not looked through is added to `not_searched`. Raises what Session.sql raises."""
    planner, text = session.project.planner, str(given)
    value = planner.evaluate(normalised(key.normal, exp.Placeholder(this="given")), {"given": text})
    normal = value.as_py() if value is not None else None
    if normal is None or masked(session.views, key.attribute):
        return Carriers()
    place = ("search", key, normal.isascii(), id(session.views), crosswalk.version)
    planner.notice(crosswalk)
    plan = planner.once(place, lambda: _plan(session, crosswalk, key, normal.isascii(), extent.partial))
    assert isinstance(plan, SearchPlan)
    not_searched.update(plan.not_searched)
    if not plan.places:
        report.missing.update(plan.missing)
        return Carriers()
    part = Report(report.query_id)
    _, tables = run_all(session, plan, {"value": normal, "given": text}, part, extent)
    report.fragments += part.fragments
    report.missing |= part.missing
    cut = {(f.source, f.table) for f in part.fragments if f.rows > READ_WHOLE and not plan_pushes(plan, f.source, f.table)}
    carriers = []
    for link, table in zip(plan.places, tables, strict=True):
        if (link.source, link.table) in cut:
            not_searched.add(f"{link.source}.{link.table}: it has more than {READ_WHOLE:,} rows, and cannot be searched by {key.attribute}")
        else:
            carriers.append((link, table.filter(pc.equal(table["value"], normal)).drop_columns(["value"])))
    if sum(table.num_rows for _, table in carriers) > CAP:  # a value on so many is nobody's, as when resolving
        return Carriers(crowded=True)
    return _parted(session, crosswalk, carriers, key.attribute)


def plan_pushes(plan: Prepared, source: str, table: str) -> bool:
    """Whether the source itself picks the rows of a table."""
    return all(f.fragment.limit is None for f in plan.plan.fetches if (f.fragment.source, f.fragment.table) == (source, table))


def unresolved(session: Session, crosswalk: Crosswalk, link: LinkTable, key: tuple[object, ...], attribute: str = "") -> int | Hit | None:
    """Whose a source key is: an id360; or nobody's yet; None if it cannot be a key of the table."""
    if len(key) != len(link.columns):
        return None
    alias = session.project.windows.attach(crosswalk)
    cursor = session.project.windows.cursor()
    typed = ", ".join(f"TRY_CAST(? AS {t}) AS {c}" for c, t in zip(link.columns, link.key_types, strict=True))
    try:
        row = arrow_table(cursor.execute(f"SELECT {typed}, {PROVISIONAL}::BIGINT AS id360, 0::INTEGER AS ord", list(key)))
        values = tuple(row.column(c)[0].as_py() for c in link.columns)
        if any(v is None for v in values):
            return None
        where = " AND ".join(f"{c} = CAST(? AS {t})" for c, t in zip(link.columns, link.key_types, strict=True))
        owner = cursor.execute(f"SELECT id360 FROM {alias}.main.{link.name} WHERE {where}", list(key)).fetchone()
    except duckdb.Error:
        return None
    finally:
        cursor.close()
    return int(owner[0]) if owner else Hit(link, values, row, attribute)


def _parted(session: Session, crosswalk: Crosswalk, carriers: list[tuple[LinkTable, pa.Table]], attribute: str) -> Carriers:
    people, unknown = set(), {}
    for link, table in carriers:
        for row in table.to_pylist():
            match unresolved(session, crosswalk, link, tuple(row.values()), attribute):
                case int() as id360:
                    people.add(id360)
                case Hit() as hit:
                    unknown[link.name, hit.key] = hit
    return Carriers(frozenset(people), tuple(unknown.values()))


# -- planning ----------------------------------------------------------------------------------------------------------------------


def _branches(views: Views) -> list[tuple[Mapping, Branch]]:
    """The mappings of the entity as the principal may see their records; where only people may be seen, as they are (a person that may
    not be seen is then left out by the window)."""
    name = ENTITY + RECORD
    view = views.get(ENTITY) if views.closed(name) else views.get(name)
    records = view.records if isinstance(view, Survived) else view
    return list(zip(views.model.mappings_of(ENTITY), records.branches, strict=True)) if isinstance(records, Records) else []


def _plan(session: Session, crosswalk: Crosswalk, key: MatchKey, ascii_key: bool, partial: bool) -> SearchPlan:
    planner = session.project.planner
    context = planner.context({"value": "", "given": ""}, crosswalk)
    text = {"value": pa.string(), "given": pa.string()}
    query = Query(exp.select("*").from_("c360_r0"), (), {parameters.NOW: NOW_TYPE, **text})
    values = Values(query, context)
    places: list[LinkTable] = []
    relations: list[Relation] = []
    skipped: list[str] = []
    missing: dict[str, str] = {}
    for mapping, branch in _branches(session.views):
        link = crosswalk.link_of(ENTITY, mapping.space, mapping.source, mapping.table)
        if key.attribute not in mapping.attributes or link is None or link.key_columns != mapping.key:
            continue
        try:
            scan, said = _scan(session, f"s{len(places)}", mapping, branch, key, ascii_key, context, values)
        except (SourceError, MissingSecret) as error:
            if not partial:
                raise
            missing[mapping.source] = error.code
            continue
        if said:
            skipped.append(f"{mapping.source}.{mapping.table}: {said}")
        if scan is not None:
            columns = tuple(scan.branch.columns)
            view = Records(f"{ENTITY} by {key.attribute}", dict.fromkeys(columns, ""), (scan.branch,))
            relations.append(Relation(f"c360_r{len(places)}", view, columns, (scan,)))
            places.append(link)
    state = push_filters(replace(values.stored(), relations=tuple(relations)), context)
    made = planner.finish(state, context, (), missing)
    return SearchPlan(made.plan, made.pool, made.state, made.missing, tuple(places), tuple(skipped))


def _scan(
    session: Session, name: str, mapping: Mapping, branch: Branch, key: MatchKey, ascii_key: bool, context: Context, values: Values
) -> tuple[Scan | None, str]:
    """How a table is searched, and what it leaves unfound. None if it is not."""
    if not mapping.profile:
        return None, "too slow for a profile (`profile: false`)"
    table, value = context.table(mapping.source, mapping.table), branch.columns[key.attribute]
    if absent(value):
        return None, ""
    keys: dict[str, exp.Expr] = {f"k{i}": exp.column(k, quoted=True) for i, k in enumerate(mapping.key)}
    scan = Scan(name, replace(branch, columns={**keys, "value": normalised(key.normal, value)}, link=None), table)
    asked = partial(_asked, scan, replace(branch, columns={key.attribute: value}), context, values)
    statistics, source = context.statistics(mapping.source, mapping.table), session.project.source(mapping.source)
    bare, _ = unwrapped(by_table(value, table), {c.name: c for c in table.columns})
    indexed = isinstance(bare, exp.Column) and bare.name in statistics.indexed
    attribute, rows = exp.column(key.attribute), statistics.rows
    if not table.required:
        most = FILTERED_COLUMNS if source.kind in COLUMNAR else FILTERED_WHOLE
        whole = asked(source_predicate(key.normal, attribute, exp.Placeholder(this="value"), ascii_key=ascii_key))
        if whole is not None and ((indexed and key.normal == "exact") or (rows is not None and rows <= most)):
            return replace(scan, conjuncts=(whole,)), ""
        if (rows is None or rows <= READ_WHOLE) and source.capabilities.limit:
            return replace(scan, limit=READ_WHOLE + 1), ""  # more than that is found out when it is read
    spelled = [exp.Placeholder(this="value"), exp.Placeholder(this="given")]
    some = asked(exp.In(this=attribute.copy(), expressions=spelled)) if indexed else None
    if some is not None:
        return replace(scan, conjuncts=(some,)), f"only {key.attribute} as it was given, or in normal form: other spellings have no index"
    return None, f"a large table, and no index on {key.attribute}"  # how large is told nobody: some of its rows may be hidden


def _asked(scan: Scan, branch: Branch, context: Context, values: Values, condition: exp.Expr | None) -> exp.Expr | None:
    """A condition on the attribute as the source of a table can be asked it; None if it cannot."""
    if condition is None:
        return None
    judgement = judge(folded(condition, branch), scan, context, values)
    return judgement.emitted if judgement.support is not Support.LOCAL else None
