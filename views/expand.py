"""Turn a model into the views that one principal may see: mappings become branches, policies become part of the facts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cached_property

import pyarrow as pa
from sqlglot import exp

from connectors.spi.schema import Table
from identity.normalise import normalised
from views import model
from views.model import ForeignKey, Identifier, Model, ObjectType, OwnKey, Policy
from views.relations import PROVENANCE, Branch, Links, LinkUse, Records, Survived, View

RAW = "raw"
RECORD = "_record"
TIMELINE = "timeline"
CROSSWALK = "crosswalk"
LINEAGE = ("_source", "_table", "_key")
TIMELINE_TYPES = {"id360": "BIGINT", "at": "TIMESTAMP", "kind": "VARCHAR", "source": "VARCHAR", "summary": "VARCHAR", "details": "VARCHAR"}
CROSSWALK_TYPES = {
    "id360": "BIGINT",
    "entity": "VARCHAR",
    "space": "VARCHAR",
    "source": "VARCHAR",
    "source_table": "VARCHAR",
    "key": "VARCHAR",
}
TO_UTC = "c360_to_utc"
"""Marks a naive timestamp of another zone; the planner resolves it once it knows the column's type."""


class Views:
    """All views of a model for a principal's `roles` and `purpose`. Made once per (roles, purpose); views are built on demand."""

    def __init__(self, project: Model, roles: frozenset[str], purpose: str | None) -> None:
        self.model = project
        self.policies = tuple(p for p in project.policies if p.binds(roles, purpose))
        self._built: dict[str, View] = {}

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Every unified view with something behind it, in the order of the catalog; closed ones included."""
        return tuple(self._makers)

    def get(self, name: str) -> View | None:
        """The view of that name, or None if there is none. Ask `closed` first."""
        if name not in self._built and name in self._makers:
            self._built[name] = self._makers[name]()
        return self._built.get(name)

    def closed(self, name: str) -> str:
        """Why this principal may not read the view at all, naming the policy, or '' if it may.

        A filter on an entity closes what would show its rows by another door: the records, the crosswalk and the raw tables,
        unless a policy governs that door itself.
        """
        for policy in self.policies:
            if name in policy.objects and policy.deny:
                return f"policy `{policy.name}` denies it"
        entities = {o.name for o in self.model.objects.values() if o.entity}
        governed = any(name in p.objects for p in self.policies)
        for policy in self.policies:
            if name.startswith(RAW + "."):
                return f"policy `{policy.name}` binds you, and raw tables would get around it"
            rows = policy.filter is not None or policy.deny
            if rows and not governed:
                if name == CROSSWALK and entities & set(policy.objects):
                    return f"policy `{policy.name}` hides rows, and the crosswalk would show that they exist"
                if name.endswith(RECORD) and name.removesuffix(RECORD) in policy.objects:
                    return f"policy `{policy.name}` hides rows of `{name.removesuffix(RECORD)}`; give `{name}` a policy of its own"
        return ""

    @cached_property
    def _makers(self) -> Mapping[str, Callable[[], View]]:
        makers: dict[str, Callable[[], View]] = {}
        mapped = {m.object for m in self.model.mappings}
        for thing in self.model.objects.values():
            if thing.name not in mapped:
                continue
            if thing.entity:
                makers[thing.name] = lambda thing=thing: self._survived(thing)  # type: ignore[misc]
                makers[thing.name + RECORD] = lambda thing=thing: self._entity_records(thing)  # type: ignore[misc]
            else:
                makers[thing.name] = lambda thing=thing: self._records(thing)  # type: ignore[misc]
        if any(o.timeline and o.name in mapped for o in self.model.objects.values()):
            makers[TIMELINE] = self._timeline
        makers[CROSSWALK] = lambda: Links(CROSSWALK, CROSSWALK_TYPES, comment="Which source records belong to which id360.")
        return makers

    # -- the views -------------------------------------------------------------------------------------------------------

    def _records(self, thing: ObjectType) -> Records:
        types = _types(thing)
        branches = tuple(self._guard(b, (thing.name,)) for b in self._branches(thing))
        return Records(thing.name, {**types, **dict.fromkeys(LINEAGE, "VARCHAR")}, branches, frozenset(LINEAGE), thing.description)

    def _entity_records(self, thing: ObjectType) -> Records:
        """One row per source record. Masks of the entity hold here too; filters must be given for this view itself."""
        name = thing.name + RECORD
        visible = {"id360": "BIGINT", "source": "VARCHAR", "source_table": "VARCHAR", "key": "VARCHAR"}
        types = {**visible, **{a: t for a, t in _types(thing).items() if a != "id360"}}
        branches = []
        for branch in self._branches(thing):
            lineage = dict(zip(("source", "source_table", "key"), (branch.columns[c] for c in LINEAGE), strict=True))
            renamed = Branch(
                branch.source, branch.table, branch.key, {**branch.columns, **lineage}, branch.link, branch.where, branch.label
            )
            branches.append(self._guard(self._mask(renamed, (thing.name,)), (name,)))
        return Records(name, types, tuple(branches), comment=f"One row per source record of `{thing.name}`.")

    def _survived(self, thing: ObjectType) -> Survived:
        attributes = _types(thing)
        base = Records(thing.name + RECORD, attributes, tuple(self._branches(thing)))
        types = {**attributes, "records": "BIGINT", "last_updated_at": "TIMESTAMP"}
        hidden = {f"{a}__{p}": ("TIMESTAMP" if p == "as_of" else "VARCHAR") for a in attributes if a != "id360" for p in PROVENANCE}
        rules = self.model.survivorship.get(thing.name) or model.Survivorship(thing.name)
        filters, masks = self._policies_on((thing.name,))
        masks |= {f"{a}__{p}": exp.null() for a in masks for p in ("key",)}
        combined = exp.and_(*filters) if filters else None
        return Survived(thing.name, {**types, **hidden}, base, rules, combined, masks, frozenset(hidden), thing.description)

    def _timeline(self) -> Records:
        branches: list[Branch] = []
        for thing in self.model.objects.values():
            entry = thing.timeline
            if entry is None or any(p.deny and thing.name in p.objects for p in self.policies):
                continue
            for branch in self._branches(thing):
                seen = self._guard(branch, (thing.name,))
                details = exp.Struct(
                    expressions=[exp.PropertyEQ(this=exp.to_identifier(a), expression=exp.column(a)) for a in entry.details]
                )
                columns = {
                    "at": exp.column(entry.at),
                    "kind": exp.Literal.string(entry.kind),
                    "summary": entry.summary,
                    "details": exp.cast(exp.Anonymous(this="to_json", expressions=[details]), "VARCHAR"),
                }
                put = {n: substitute(e, seen.columns) for n, e in columns.items()}
                put |= {"source": seen.columns["_source"], "_key": seen.columns["_key"], "_object": exp.Literal.string(thing.name)}
                branches.append(self._guard(Branch(seen.source, seen.table, seen.key, put, seen.link, seen.where, thing.name), (TIMELINE,)))
        hidden = ("_object", "_key")
        types = {**TIMELINE_TYPES, **dict.fromkeys(hidden, "VARCHAR")}
        return Records(TIMELINE, types, tuple(branches), frozenset(hidden), "Everything that happened, newest last seen first.")

    # -- branches and policies -------------------------------------------------------------------------------------------

    def _branches(self, thing: ObjectType) -> Iterable[Branch]:
        return (bare_branch(thing, mapping) for mapping in self.model.mappings_of(thing.name))

    def _policies_on(self, objects: tuple[str, ...]) -> tuple[list[exp.Expr], dict[str, exp.Expr]]:
        bound: list[Policy] = [p for p in self.policies if set(objects) & set(p.objects)]
        masks: dict[str, exp.Expr] = {}
        for policy in bound:  # the first mask of an attribute wins: policies are in the order of the file
            masks = {**policy.masks, **masks}
        return [p.filter for p in bound if p.filter is not None], masks

    def _guard(self, branch: Branch, objects: tuple[str, ...]) -> Branch:
        """Put the policies on `objects` into the branch: filters over the true values, then masks instead of the columns."""
        filters, _ = self._policies_on(objects)
        where = (*branch.where, *(substitute(f, branch.columns) for f in filters))
        guarded = Branch(branch.source, branch.table, branch.key, branch.columns, branch.link, where, branch.label)
        return self._mask(guarded, objects)

    def _mask(self, branch: Branch, objects: tuple[str, ...]) -> Branch:
        _, masks = self._policies_on(objects)
        shown = {name: substitute(mask, branch.columns) for name, mask in masks.items() if name in branch.columns}
        return Branch(branch.source, branch.table, branch.key, {**branch.columns, **shown}, branch.link, branch.where, branch.label)


def bare_branch(thing: ObjectType, mapping: model.Mapping) -> Branch:
    """A mapped table as rows of its object, before any policy."""
    columns = {a.name: typed(mapping.attributes.get(a.name), a.type, mapping.timezone) for a in thing.attributes.values()}
    lineage = (exp.Literal.string(mapping.source), exp.Literal.string(mapping.table), key_text(mapping.key))
    where = (mapping.where.copy(),) if mapping.where is not None else ()
    named = {**columns, **dict(zip(LINEAGE, lineage, strict=True))}
    return Branch(mapping.source, mapping.table, mapping.key, named, _link(thing, mapping), where, thing.name)


def raw_view(source: str, table: Table) -> Records:
    """A source table as it is, under `raw.<source>.<table>`: its own names and types, nobody's id360."""
    columns: dict[str, exp.Expr] = {c.name.lower(): exp.column(c.name, quoted=True) for c in table.columns}
    types = {c.name.lower(): duckdb_type(c.type) for c in table.columns}
    name = f"{RAW}.{source}.{table.name}"
    return Records(name, types, (Branch(source, table.name, table.key, columns, label=name),), comment=table.comment)


def duckdb_type(type_: pa.DataType) -> str:
    """The DuckDB type that an Arrow column arrives as.

    >>> duckdb_type(pa.decimal128(10, 2)), duckdb_type(pa.timestamp("us", "UTC")), duckdb_type(pa.list_(pa.int64()))
    ('DECIMAL(10,2)', 'TIMESTAMP WITH TIME ZONE', 'BIGINT[]')
    """
    if pa.types.is_decimal(type_):
        return f"DECIMAL({type_.precision},{type_.scale})"
    if pa.types.is_timestamp(type_):
        return "TIMESTAMP WITH TIME ZONE" if type_.tz else "TIMESTAMP"
    if pa.types.is_list(type_):
        return duckdb_type(type_.value_type) + "[]"
    return _ARROW_NAMES.get(str(type_), "VARCHAR")


_ARROW_NAMES = {
    "int8": "TINYINT", "int16": "SMALLINT", "int32": "INTEGER", "int64": "BIGINT", "uint8": "UTINYINT", "uint16": "USMALLINT",
    "uint32": "UINTEGER", "uint64": "UBIGINT", "float": "FLOAT", "double": "DOUBLE", "bool": "BOOLEAN", "date32[day]": "DATE",
    "time64[us]": "TIME", "binary": "BLOB", "large_binary": "BLOB",
}  # fmt: skip


def substitute(expression: exp.Expr, columns: Mapping[str, exp.Expr]) -> exp.Expr:
    """The expression with every column of that name replaced; operators keep their grouping.

    >>> substitute(exp.column("a").eq(exp.column("b")), {"a": exp.column("x") + 1}).sql("duckdb")
    '(x + 1) = b'
    """

    def swap(node: exp.Expr) -> exp.Expr:
        if not isinstance(node, exp.Column) or node.name not in columns:
            return node
        put = columns[node.name].copy()
        return exp.paren(put) if isinstance(put, exp.Binary | exp.Connector | exp.Not | exp.Between | exp.In) else put

    return expression.copy().transform(swap)


def typed(written: exp.Expr | None, type_: str, timezone: str = "UTC") -> exp.Expr:
    """A mapping's expression as a value of its attribute's type. Uniform for every attribute: '' in text is NULL, timestamps are UTC.

    >>> typed(exp.column("mail"), "VARCHAR").sql("duckdb")
    "NULLIF(CAST(mail AS TEXT), '')"
    """
    kind = "VARCHAR" if type_ == "JSON" else type_
    if written is None:
        return exp.cast(exp.null(), kind)
    if kind == "VARCHAR":
        return exp.Nullif(this=exp.cast(written.copy(), kind), expression=exp.Literal.string(""))
    if kind == "TIMESTAMP" and timezone != "UTC":
        return exp.Anonymous(this=TO_UTC, expressions=[written.copy(), exp.Literal.string(timezone)])
    return exp.cast(written.copy(), kind)


def key_text(key: tuple[str, ...]) -> exp.Expr:
    """A record's key as text: the value itself, or a JSON array of the parts of a composite key."""
    columns: list[exp.Expr] = [exp.column(c, quoted=True) for c in key]
    if len(columns) == 1:
        return exp.cast(columns[0], "VARCHAR")
    return exp.cast(exp.Anonymous(this="json_array", expressions=columns), "VARCHAR")


def _types(thing: ObjectType) -> dict[str, str]:
    owner = {"id360": "BIGINT"} if thing.entity or thing.of else {}
    return owner | {a.name: ("VARCHAR" if a.type == "JSON" else a.type) for a in thing.attributes.values()}


def _link(thing: ObjectType, mapping: model.Mapping) -> LinkUse | None:
    entity = thing.entity or thing.of
    match mapping.link:
        case OwnKey():
            columns = mapping.key
            on: tuple[exp.Expr, ...] = tuple(exp.column(c, quoted=True) for c in columns)
            return LinkUse(entity, mapping.space, mapping.source, mapping.table, "", on, columns)
        case ForeignKey(table=table, columns=columns):
            on = tuple(exp.column(c, quoted=True) for c in columns)
            return LinkUse(entity, mapping.space, mapping.source, table, "", on, columns)
        case Identifier(identifier=identifier, value=value, normalised=done, normal=normal):
            plain = (value.name,) if done and isinstance(value, exp.Column) else ()
            on = (exp.cast(value.copy(), "VARCHAR") if done else normalised(normal or identifier, value.copy()),)
            return LinkUse(entity, mapping.space, mapping.source, mapping.table, identifier, on, plain)
    return None
