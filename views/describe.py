"""The catalog of a model as data: subject areas, objects, attributes, their sources and the views that show them."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sqlglot import exp

from views import relations
from views.errors import did_you_mean
from views.expand import RECORD, Views
from views.households import view_name
from views.model import Attribute, ForeignKey, Identifier, Link, Mapping, Model, ObjectType, OwnKey
from views.objects import standard_objects

COMMON = {
    "id360": "The id of the person or other entity, the same in every view.",
    "household_id": "The id of the household; it stays as an id360 does.",
    "source": "The source that the row lies in.",
    "source_table": "The source table that the record lies in.",
    "key": "The record's key there; a JSON array if it is composite.",
    "records": "How many source records the person has.",
    "last_updated_at": "When any of them last changed (UTC).",
    "at": "When it happened (UTC).",
    "kind": "What kind of thing happened: order, case, email.",
    "summary": "What happened in one line.",
    "details": "Its attributes as a JSON object.",
    "entity": "What is resolved: individual, account.",
    "space": "The brand or region within which it is resolved.",
}
"""What the columns say that are no attribute of an object."""


@dataclass(frozen=True, slots=True)
class AttributeEntry:
    """An attribute in the catalog; `expressions` says for each mapping (source.table) what it is made of."""

    attribute: Attribute
    expressions: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class ObjectEntry:
    """An object in the catalog. `views` are the names under which SQL finds it, () while nothing is mapped to it;
    `sources` are its mapped tables as source.table, each with how its rows are led to a person."""

    object: ObjectType
    attributes: tuple[AttributeEntry, ...]
    views: tuple[str, ...]
    sources: tuple[tuple[str, str], ...]

    @property
    def mapped(self) -> bool:
        return bool(self.views)


@dataclass(frozen=True, slots=True)
class CatalogView:
    """A unified view that SQL can name, with its columns in order."""

    name: str
    description: str
    columns: tuple[Attribute, ...]


def catalog(model: Model) -> dict[str, tuple[ObjectEntry, ...]]:
    """Every object by subject area, areas and objects sorted by name; standard objects without a mapping are listed too."""
    areas: dict[str, list[ObjectEntry]] = {}
    for object_ in sorted(model.objects.values(), key=lambda o: (o.area, o.name)):
        areas.setdefault(object_.area, []).append(_entry(model, object_))
    return {area: tuple(entries) for area, entries in areas.items()}


def views(model: Model) -> tuple[CatalogView, ...]:
    """The unified views as they are without any policy, sorted by name, with the columns that `*` shows."""
    everything = Views(replace(model, policies=()), frozenset(), None)
    return tuple(_view(model, name, found) for name in sorted(everything.names) if (found := everything.get(name)) is not None)


def _view(model: Model, name: str, found: relations.View) -> CatalogView:
    object_ = model.objects.get(name) or model.objects.get(name.removesuffix(RECORD))
    known = object_.attributes if object_ else {}
    columns = (
        known.get(column) or Attribute(column, type_, COMMON.get(column, ""))
        for column, type_ in found.types.items()
        if column not in found.hidden
    )
    return CatalogView(name, found.comment, tuple(columns))


def view_names(model: Model, object_: ObjectType) -> tuple[str, ...]:
    """The views that show an object, () if nothing is mapped to it; its aliases are further names for the first."""
    if not model.mappings_of(object_.name):
        return ()
    return (object_.name, object_.name + RECORD) if object_.entity else (object_.name,)


def why_unknown(model: Model, name: str) -> tuple[str, str]:
    """What to say when SQL names a view that is not there: a sentence, and the next step."""
    base = model.object_named(name) or model.object_named(name.removesuffix(RECORD))
    if base is not None and not model.mappings_of(base.name):
        return (
            f"`{base.name}` is {'your own' if base.name not in standard_objects() else 'a standard'} object but nothing is mapped to it",
            f"add a mapping with `object: {base.name}`",
        )
    if name in {view_name(o.entity) for o in model.objects.values() if o.entity}:
        return f"there is no view `{name}`: no households are asked for", "write `households: true` under the entity in `identity:`"
    if table := next((m for m in model.mappings if m.table.lower() == name.lower()), None):
        return (
            f"there is no view `{name}`",
            f"that table is mapped as `{table.object}`; as its source has it: `raw.{table.source}.{table.table}`",
        )
    known = [v.name for v in views(model)]
    return f"there is no view `{name}`", did_you_mean(name, known)


def _entry(model: Model, object_: ObjectType) -> ObjectEntry:
    mappings = model.mappings_of(object_.name)
    attributes = tuple(AttributeEntry(a, _expressions(a.name, mappings)) for a in object_.attributes.values())
    sources = tuple((f"{m.source}.{m.table}", said_link(m.link)) for m in mappings)
    return ObjectEntry(object_, attributes, view_names(model, object_), sources)


def _expressions(name: str, mappings: tuple[Mapping, ...]) -> tuple[tuple[str, str], ...]:
    return tuple((f"{m.source}.{m.table}", _sql(m.attributes[name])) for m in mappings if name in m.attributes)


def _sql(tree: exp.Expr) -> str:
    return tree.sql("duckdb")


def said_link(link: Link | None) -> str:
    """How rows are led to a person, in words.

    >>> said_link(ForeignKey("customer", ("customer_id",)))
    'by customer_id → customer'
    """
    match link:
        case OwnKey():
            return "resolved by its own key"
        case ForeignKey(table, columns):
            return f"by {', '.join(columns)} → {table}"
        case Identifier(identifier, value, store):
            return f"by {identifier} ({_sql(value)}), {'through the crosswalk' if store else 'looked up live'}"
        case _:
            return "of nobody"
