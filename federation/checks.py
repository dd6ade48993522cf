"""Everything about a project that only its live sources can tell: `c360 check`.

Rows are read through the same machinery as any query's, without policies; what is found names tables, columns and counts,
never a row's value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pyarrow as pa
from sqlglot import exp

from connectors.spi import Connector, Deadline, Table
from connectors.spi.errors import C360Error, InternalError, SchemaDrift
from federation.errors import MappingFailed, NoCrosswalk
from federation.findings import NOTE, PROBLEM, Finding, problem
from federation.identifier_search import COLUMNAR
from federation.key_counts import count_keys
from federation.lag import lag_of
from federation.matched_columns import refuse_types, unfit
from federation.record_sets import record_reader, record_set, stored_identifiers
from federation.stewardship_checks import stewardship
from federation.watermarks import watermark_column
from identity.crosswalk import Crosswalk
from identity.personal import personal_kind
from views.errors import did_you_mean
from views.model import ForeignKey, Identifier, Mapping

if TYPE_CHECKING:
    from federation.project import Project

WORTH_AN_INDEX = 10_000
PING_SECONDS = 10.0


Told = Callable[[str], None]


def check(project: Project, *, sample: int = 1000, keys: bool = True, told: Told = lambda doing: None) -> Iterator[Finding]:
    """Hold a project against its live sources; yields what it finds as it goes.

    `sample` rows of each mapped table are mapped; with `keys` the keys of tables that do not enforce them are all read.
    `told` hears what is being looked at. Raises nothing that a source or mapping does: that is found.
    """
    crosswalk, readable = None, True
    try:
        crosswalk = project.store.current()
    except C360Error as error:
        readable = False
        yield problem(error, "crosswalk")
    alive = {}
    for name in project.model.sources:
        told(name)
        try:
            connector = project.source(name)
            connector.ping(Deadline.after(PING_SECONDS))
            connector.tables()
            alive[name] = connector
        except C360Error as error:
            yield problem(error, name)
    for mapping in project.model.mappings:
        if mapping.source in alive:
            told(f"{mapping.source}.{mapping.table} as {mapping.object}")
            try:
                yield from _mapping(project, mapping, alive[mapping.source], crosswalk, sample, keys)
            except C360Error as error:
                yield problem(error, _where(mapping))
    if readable:
        yield from _unresolved(project, crosswalk)
        told("decisions, models, labels")
        yield from stewardship(project, crosswalk)


def _mapping(
    project: Project, mapping: Mapping, source: Connector, crosswalk: Crosswalk | None, sample: int, keys: bool
) -> Iterator[Finding]:
    try:
        table = source.table(mapping.table)
    except SchemaDrift:
        hint = did_you_mean(mapping.table, source.tables())
        yield Finding(PROBLEM, SchemaDrift.code, _where(mapping), f"{mapping.location}: source `{source.name}` has no such table", hint)
        return
    missing = tuple(_missing(mapping, table))
    yield from missing
    if missing:
        return
    if mapping.changed_at:
        watermark_column(mapping, source)
    yield from _unindexed(mapping, source)
    if table.required:
        yield Finding(NOTE, "C360_KEY_ONLY", _where(mapping), f"answers by {', '.join(table.required)} only: its rows were not checked")
        return
    resolved = project.model.is_resolved(mapping)
    if resolved:
        refuse_types(project, mapping, stored_identifiers(project.model))
    yield from _fits(project, mapping, sample)
    if resolved:
        yield from _personal(project, mapping)
    if keys and not _enforced(project, mapping, table, source):
        yield from _keys(project, mapping, crosswalk)
    elif resolved and not keys:
        yield from _lag(project, mapping, crosswalk)


# -- columns and expressions -----------------------------------------------------------------------------------------------------


def _missing(mapping: Mapping, table: Table) -> Iterator[Finding]:
    """Columns that the mapping names and the table does not have."""
    known = {c.name.lower(): c.name for c in table.columns}
    for said, place, names in _named(mapping):
        for name in names:
            if name.lower() not in known:
                hint = did_you_mean(name, known.values())
                yield Finding(PROBLEM, SchemaDrift.code, _where(mapping), f"{place}: no column `{name}`, which {said} names", hint)


def _named(mapping: Mapping) -> Iterator[tuple[str, object, tuple[str, ...]]]:
    """What names columns: (its name, its place, the columns)."""
    yield "`key`", mapping.location, mapping.key
    if isinstance(mapping.link, ForeignKey):
        yield "`person`", mapping.location, mapping.link.columns
    if isinstance(mapping.link, Identifier):
        yield "`person`", mapping.location, _columns(mapping.link.value)
    if mapping.changed_at:
        yield "`changed_at`", mapping.places.get(":changed_at", mapping.location), (mapping.changed_at,)
    if mapping.where is not None:
        yield "`where`", mapping.location, _columns(mapping.where)
    for name, expression in mapping.attributes.items():
        yield f"`{name}`", mapping.places.get(name, mapping.location), _columns(expression)


def _columns(expression: exp.Expr) -> tuple[str, ...]:
    return tuple(dict.fromkeys(c.name for c in expression.find_all(exp.Column)))


def _fits(project: Project, mapping: Mapping, sample: int) -> Iterator[Finding]:
    """Map some rows, and look at what is matched. If that fails, map them attribute by attribute, to name the one."""
    found = _sampled(project, mapping, tuple(mapping.attributes), sample)
    if isinstance(found, pa.Table):
        if project.model.is_resolved(mapping):
            yield from unfit(project, mapping, stored_identifiers(project.model), found, whole=found.num_rows < sample)
        return
    named = False
    for name in mapping.attributes:
        error = _sampled(project, mapping, (name,), sample)
        if isinstance(error, C360Error):
            named = True
            place = mapping.places.get(name, mapping.location)
            if isinstance(error, MappingFailed | InternalError):
                type_ = project.model.objects[mapping.object].attributes[name].type
                said = f"{place}: the expression of `{name}` does not bind, or does not fit {type_} in a row"
                yield Finding(
                    PROBLEM, MappingFailed.code, _where(mapping), said, "mend it; TRY_CAST(… AS type) makes NULL of what does not fit"
                )
            else:
                yield problem(error, _where(mapping))
    if not named:
        yield Finding(PROBLEM, MappingFailed.code, _where(mapping), f"{mapping.location}: `key` or `where` fails on a row", "mend it")


def _sampled(project: Project, mapping: Mapping, attributes: tuple[str, ...], sample: int) -> pa.Table | C360Error:
    """The first rows, mapped; or what fails."""
    import duckdb

    try:
        stream = record_reader(project, mapping, attributes)()
        batches: list[pa.RecordBatch] = []
        for batch in stream:
            batches.append(batch)
            if sum(b.num_rows for b in batches) >= sample:
                break
        stream.close()
    except C360Error as error:
        return error
    except duckdb.Error as error:
        failed = MappingFailed("an expression does not bind")
        failed.__cause__ = error
        return failed
    return pa.Table.from_batches(batches, stream.schema).slice(0, sample)


# -- keys ------------------------------------------------------------------------------------------------------------------------


def _personal(project: Project, mapping: Mapping) -> Iterator[Finding]:
    """Whether the key itself is a person's, by the form of its values."""
    if kind := personal_kind(record_set(project, mapping, ())):
        said = f"its keys are personal ({kind}), and the crosswalk holds them"
        hint = "encrypt the crosswalk (identity: encryption_key), or map another key"
        yield Finding(NOTE, "C360_PERSONAL_KEYS", _where(mapping), said, hint)


def _enforced(project: Project, mapping: Mapping, table: Table, source: Connector) -> bool:
    """Whether the source itself holds the key to be unique and not NULL, and nothing else is to be learnt from its rows."""
    if project.model.is_resolved(mapping):
        return False  # how many are not linked yet is to be counted
    columns = {c.name.lower(): c for c in table.columns}
    nullable = any(columns[k.lower()].nullable for k in mapping.key)
    return (
        bool(table.key) and not nullable and source.kind != "files" and {k.lower() for k in table.key} <= {k.lower() for k in mapping.key}
    )


def _keys(project: Project, mapping: Mapping, crosswalk: Crosswalk | None) -> Iterator[Finding]:
    count = count_keys(project, mapping, crosswalk)
    named = ", ".join(mapping.key)
    if count.repeated:
        keyed = f"1 key ({named}) stands" if count.repeated == 1 else f"{count.repeated:,} keys ({named}) stand"
        said = f"{keyed} on {count.repeated_rows:,} of {count.rows:,} rows"
        yield Finding(
            PROBLEM, "C360_DUPLICATE_KEYS", _where(mapping), said, "name the columns that tell rows apart, or leave rows out with `where`"
        )
    if count.nulls:
        said = f"{count.nulls:,} of {count.rows:,} rows have NULL in their key ({named})"
        yield Finding(PROBLEM, "C360_NULL_KEYS", _where(mapping), said, f"leave them out: `where: {mapping.key[0]} IS NOT NULL`")
    if count.unlinked:
        said = f"{count.unlinked:,} of {count.rows:,} records are not in crosswalk version {crosswalk.version if crosswalk else 0}"
        yield Finding(NOTE, "C360_CROSSWALK_LAG", _where(mapping), said, "run `c360 resolve`")


def _lag(project: Project, mapping: Mapping, crosswalk: Crosswalk | None) -> Iterator[Finding]:
    """What the source's own statistics say, where keys are not to be counted."""
    found = lag_of(project, mapping, crosswalk)
    if found.linked is not None and found.far:
        said = f"has {found.about} rows, and crosswalk version {crosswalk.version if crosswalk else 0} {found.linked:,} links"
        yield Finding(NOTE, "C360_CROSSWALK_LAG", _where(mapping), said, "run `c360 resolve`; `c360 crosswalk status --exact` counts")


def _unindexed(mapping: Mapping, source: Connector) -> Iterator[Finding]:
    """Columns by which one person's rows are fetched, and no index leads to."""
    if source.kind in COLUMNAR:  # it finds a key without an index
        return
    statistics = source.statistics(mapping.table)
    if statistics.rows is not None and statistics.rows < WORTH_AN_INDEX:
        return
    indexed = {c.lower() for c in statistics.indexed}
    for said, name in _looked_up(mapping):
        if name.lower() not in indexed:
            rows = f"{statistics.rows:,} rows" if statistics.rows is not None else "rows"
            hint = f"let its owner add one: CREATE INDEX ON {mapping.table} ({name})"
            yield Finding(NOTE, "C360_UNINDEXED_KEY", _where(mapping), f"no index leads to {said} `{name}` of its {rows}", hint)


def _looked_up(mapping: Mapping) -> Iterator[tuple[str, str]]:
    if isinstance(mapping.link, ForeignKey):
        yield "the person's key", mapping.link.columns[0]
    elif isinstance(mapping.link, Identifier):
        if isinstance(mapping.link.value, exp.Column):
            yield "the identifier", mapping.link.value.name
    elif mapping.link is not None:
        yield "the key", mapping.key[0]


# -- the crosswalk ---------------------------------------------------------------------------------------------------------------


def _unresolved(project: Project, crosswalk: Crosswalk | None) -> Iterator[Finding]:
    """Mapped tables and identifiers that the crosswalk does not know, or knows by another key."""
    if crosswalk is None and project.model.resolved:
        yield Finding(PROBLEM, NoCrosswalk.code, "crosswalk", "there is none yet: no row has an id360", "run `c360 resolve`")
    if crosswalk is None:
        return
    for mapping in project.model.mappings:
        thing = project.model.objects[mapping.object]
        if thing.entity:
            link = crosswalk.link_of(thing.entity, mapping.space, mapping.source, mapping.table)
            if link is None:
                yield Finding(
                    PROBLEM, "C360_NOT_RESOLVED", _where(mapping), "is not in the crosswalk: its rows have no id360", "run `c360 resolve`"
                )
            elif link.key_columns != mapping.key:
                said = f"is in the crosswalk by the key {', '.join(link.key_columns)}, and mapped by {', '.join(mapping.key)}"
                yield Finding(PROBLEM, "C360_NOT_RESOLVED", _where(mapping), said, "run `c360 resolve`")
        elif (
            isinstance(mapping.link, Identifier)
            and mapping.link.store
            and crosswalk.identifier_of(thing.of, mapping.space, mapping.link.identifier) is None
        ):
            said = f"the crosswalk holds no `{mapping.link.identifier}`: its rows have no id360"
            yield Finding(PROBLEM, "C360_NOT_RESOLVED", _where(mapping), said, "run `c360 resolve`")


def _where(mapping: Mapping) -> str:
    return f"{mapping.source}.{mapping.table}"
