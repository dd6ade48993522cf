"""Mapped tables as identity reads them: record sets, each a stream of keys and of the attributes that matching needs."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping as MappingOf
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pyarrow as pa
from sqlglot import exp

from connectors.spi import Deadline
from connectors.spi.errors import SchemaDrift
from federation.matched_columns import matched_keys, naming, refuse_types
from federation.passes.push_filters import push_filters
from federation.query import Query, Relation, Scan
from federation.report import Report
from federation.run import Run
from federation.watermarks import by_keys, telling
from identity.model import KeyColumn, MatchKey, RecordSet
from views.branches import bare_branch, duckdb_type
from views.errors import did_you_mean
from views.model import Identifier, Mapping, Model
from views.relations import Branch, Records

if TYPE_CHECKING:
    from federation.project import Project

READ_TIMEOUT = 3600.0
"""Seconds that reading one table may take."""


def record_sets(project: Project) -> list[RecordSet]:
    """All mapped tables that are resolved. Raises AttributeType, SchemaDrift."""
    model = project.model
    stored = stored_identifiers(model)
    for mapping in model.resolved:
        refuse_types(project, mapping, stored)
    return [record_set(project, m, _given(m, _needed(model, m.object, stored))) for m in model.resolved]


def key_columns(project: Project, mapping: Mapping) -> tuple[KeyColumn, ...]:
    """The key of a mapped table as its source has it. Raises SchemaDrift."""
    columns = {c.name.lower(): c for c in project.source(mapping.source).table(mapping.table).columns}
    for name in mapping.key:
        if name.lower() not in columns:
            said = f"`{mapping.source}.{mapping.table}` has no column `{name}`, which its mapping's `key` names"
            raise SchemaDrift(mapping.source, said, hint=did_you_mean(name, columns))
    return tuple(KeyColumn(k, duckdb_type(columns[k.lower()].type)) for k in mapping.key)


def stored_identifiers(model: Model) -> dict[str, dict[str, MatchKey]]:
    """Which identifiers the mappings ask to be stored, per entity, and the attribute that carries each."""
    wanted: dict[str, dict[str, MatchKey]] = {}
    for mapping in model.mappings:
        if isinstance(mapping.link, Identifier) and mapping.link.store:
            entity = model.objects[mapping.object].of
            for attribute in model.objects[entity].attributes.values():
                if attribute.identifier == mapping.link.identifier:
                    wanted.setdefault(entity, {}).setdefault(mapping.link.identifier, MatchKey(attribute.name, attribute.normal))
    return wanted


def needed_attributes(project: Project, entity: str) -> tuple[str, ...]:
    """The attributes of an entity that resolving reads."""
    return _needed(project.model, entity, stored_identifiers(project.model))


def _needed(model: Model, entity: str, stored: dict[str, dict[str, MatchKey]]) -> tuple[str, ...]:
    keys, _ = matched_keys(model, entity, stored)
    return tuple(dict.fromkeys(key.attribute for key in keys))


def _given(mapping: Mapping, attributes: tuple[str, ...]) -> tuple[str, ...]:
    """Those that a mapping gives a value."""
    return tuple(a for a in attributes if not isinstance(mapping.attributes.get(a, exp.null()), exp.Null))


def record_set(project: Project, mapping: Mapping, attributes: tuple[str, ...]) -> RecordSet:
    """A mapped table as identity reads it: its keys, and some attributes of its object. Asks the source for its columns only."""
    key = key_columns(project, mapping)
    entity = project.model.objects[mapping.object]
    personal = {a.name for a in entity.attributes.values() if a.identifier}
    keyed = {k.lower() for k in mapping.key}
    carried = any(isinstance(e, exp.Column) and e.name.lower() in keyed for n, e in mapping.attributes.items() if n in personal)
    read = _reader(project, mapping, attributes)
    records = RecordSet(mapping.object, mapping.space, mapping.source, mapping.table, key, attributes, read, carried)
    if not mapping.changed_at:
        return records
    return telling(records, mapping, project.source(mapping.source), partial(_reader, project, mapping))


def _reader(project: Project, mapping: Mapping, attributes: tuple[str, ...], **how: Any) -> Callable[[], pa.RecordBatchReader]:
    """`record_reader`, which names the attribute that a row does not fit."""
    return naming(project, mapping, partial(record_reader, project, mapping, **how), attributes)


def record_reader(
    project: Project,
    mapping: Mapping,
    attributes: tuple[str, ...],
    *,
    more: MappingOf[str, exp.Expr] = MappingProxyType({}),
    where: exp.Expr | None = None,
    keys: pa.Table | None = None,
) -> Callable[[], pa.RecordBatchReader]:
    """Reads the keys and attributes of one mapping through the same machinery as any query, without policies or crosswalk.

    `more` are further columns, by expressions of the table's own; `where` leaves rows out; `keys` (k0 …) are those of the rows to read:
    the source is asked by them, unless they are more than it takes.
    """

    def read() -> pa.RecordBatchReader:
        thing = project.model.objects[mapping.object]
        whole = bare_branch(project.model, mapping)
        own: dict[str, exp.Expr] = {f"k{i}": exp.column(k, quoted=True) for i, k in enumerate(mapping.key)}
        picked = {**own, **{a: whole.columns[a] for a in attributes}, **more}
        conditions = whole.where if where is None else (*whole.where, where)
        branch = Branch(mapping.source, mapping.table, mapping.key, picked, None, conditions, thing.name)
        records = Records(thing.name, dict.fromkeys(picked, ""), (branch,))
        scan = Scan("s0", branch, project.source(mapping.source).table(mapping.table))
        relation = Relation("c360_r0", records, tuple(picked), (scan,))
        context = project.planner.context({}, None)
        state = push_filters(Query(exp.select("*").from_("c360_r0"), (relation,)), context)
        prepared = project.planner.finish(state, context, ())
        plan, bound = by_keys(prepared.plan, scan.table, mapping.key, keys, context.capabilities(mapping.source).max_keys)
        run = Run(
            plan, prepared.pool, project.source, {**plan.constants, **bound}, Deadline.after(READ_TIMEOUT),
            Report(uuid4().hex), memory=project.memory,
        )  # fmt: skip
        run.start()
        return run.reader(plan.relations[0])

    return read
