"""The objects of a project: the standard ones, shipped as data in `standard/`, and what a project adds to them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path

import msgspec

from identity.errors import UnknownNormalForm
from identity.normalise import check_normal_form
from views.errors import BadLink, Conflict, Problems, UnknownAttribute, UnknownName, WrongValue, did_you_mean, raise_together
from views.expressions import over_attributes, parse_scalar
from views.fields import AttributeFields, ObjectFields, TimelineFields
from views.model import Attribute, ObjectType, TimelineEntry
from views.project_file import Node, read_yaml

STANDARD = Path(__file__).parent / "standard"

TYPES = {
    "text": "VARCHAR", "integer": "BIGINT", "double": "DOUBLE", "boolean": "BOOLEAN",
    "date": "DATE", "timestamp": "TIMESTAMP", "json": "JSON",
}  # fmt: skip
"""The types of a project file as DuckDB's; decimal(p,s) is DECIMAL(p,s)."""

NORMAL = {"VARCHAR": "lower", "DATE": "date"}
"""The normal form in which values of a type are matched, if their attribute says nothing else."""

RESERVED = frozenset({"raw", "timeline", "crosswalk", "id360"})
"""Names that no object can have: c360 uses them itself."""

EVERYWHERE = frozenset({"id360"})
OF_ENTITIES = frozenset({"source", "source_table", "key", "records", "last_updated_at"})
"""Names that no attribute can have: every view has such a column, or those of an entity do (so does a name with `__`)."""


@cache
def standard_objects() -> Mapping[str, ObjectType]:
    """The objects that c360 ships, by name; `area` is the file they stand in. Their own errors are tested, not checked here."""
    problems = Problems()
    found: dict[str, ObjectType] = {}
    for path in sorted(STANDARD.glob("*.yml")):
        root = read_yaml(path, f"views/standard/{path.name}").find("objects")
        fields = {name: msgspec.convert(node.plain(), ObjectFields) for name, node in root.value.items()}
        for name, entry in fields.items():
            entry.area = path.stem
            found[name] = _object(name, entry, root.value[name], None, problems)
    _check_references(found, {}, problems)
    raise_together(problems.found)
    return found


def project_objects(entries: Mapping[str, ObjectFields], root: Node, problems: Problems) -> dict[str, ObjectType]:
    """The standard objects with a project's own ones and its additions. What is wrong goes to `problems`."""
    objects = dict(standard_objects())
    nodes = {name: root.value[name] for name in entries}
    for name, entry in entries.items():
        objects[name] = _object(name, entry, nodes[name], objects.get(name), problems)
    _check_references(objects, nodes, problems)
    return objects


def _object(name: str, entry: ObjectFields, node: Node, base: ObjectType | None, problems: Problems) -> ObjectType:
    """An object of the project's own, or what it adds to a standard one (`base`)."""
    _note_problems(name, entry, node, base, problems)
    attributes = {**(base.attributes if base else {}), **_added(name, entry, node, base, problems)}
    plain = ObjectType(name, "custom", "", {}, entry.entity, entry.entity or "individual", _default_key(name, attributes))
    merged = replace(base or plain, attributes=attributes)
    merged = replace(merged, **{f: v for f in ("area", "description", "entity", "key") if (v := getattr(entry, f))})
    if isinstance(entry.of, str):
        merged = replace(merged, of=entry.of)
    if entry.aliases:
        merged = replace(merged, aliases=(*merged.aliases, *entry.aliases))
    if merged.key and merged.key not in attributes:
        at = node.find("key").at
        problems.add(UnknownAttribute(f"`{name}` has no attribute `{merged.key}`", at, hint=did_you_mean(merged.key, attributes)))
    if entry.timeline is not None:
        with problems.collect():
            merged = replace(merged, timeline=_timeline(merged, entry.timeline, node.find("timeline")))
    return merged


def _note_problems(name: str, entry: ObjectFields, node: Node, base: ObjectType | None, problems: Problems) -> None:
    """What is wrong with the object itself: its name, its entity, a description that is missing."""
    if name in RESERVED or (base is None and name.endswith("_record")):
        problems.add(Conflict(f"`{name}` cannot be an object's name: c360 uses it itself", node.key(), hint="choose another"))
    if entry.entity not in ("", name):
        problems.add(WrongValue(f"the entity of `{name}` can only be `{name}`", node.find("entity").at, hint=f"write `entity: {name}`"))
    if base is None and not entry.description:
        problems.add(WrongValue(f"`{name}` needs a description", node.key(), hint="add one plain sentence: `description:`"))


def _added(name: str, entry: ObjectFields, node: Node, base: ObjectType | None, problems: Problems) -> dict[str, Attribute]:
    """The attributes that the project gives the object."""
    there: Collection[str] = base.attributes if base else ()
    taken = EVERYWHERE | OF_ENTITIES if entry.entity or (base and base.entity) else EVERYWHERE
    added = {}
    for attribute, fields in entry.attributes.items():
        with problems.collect():
            place = node.find("attributes", attribute)
            if attribute in there:
                raise Conflict(f"`{name}` has an attribute `{attribute}` already", place.key(), hint="map to it, or choose another name")
            if attribute in taken or "__" in attribute:
                raise Conflict(f"`{attribute}` cannot be an attribute's name: c360 uses it itself", place.key(), hint="choose another")
            added[attribute] = _attribute(attribute, fields, place)
    return added


def _default_key(name: str, attributes: Mapping[str, Attribute]) -> str:
    return f"{name}_id" if f"{name}_id" in attributes else ""


def _attribute(name: str, fields: AttributeFields, node: Node) -> Attribute:
    type_ = TYPES.get(fields.type) or fields.type.upper().replace(" ", "")
    normal = fields.normal or (fields.identifier if fields.identifier in ("email", "phone") else NORMAL.get(type_, "exact"))
    try:
        check_normal_form(normal)
    except UnknownNormalForm as error:
        raise WrongValue(error.message, node.find("normal").at, hint=error.hint) from error
    return Attribute(name, type_, fields.description, fields.references, fields.identifier, normal)


def _timeline(object_: ObjectType, fields: TimelineFields, node: Node) -> TimelineEntry:
    known = object_.attributes
    named = [(fields.at, node.find("at")), *((d, node.find("details", i)) for i, d in enumerate(fields.details))]
    for name, place in named:
        if name not in known:
            raise UnknownAttribute(f"`{object_.name}` has no attribute `{name}`", place.at, hint=did_you_mean(name, known))
    if known[fields.at].type not in ("TIMESTAMP", "DATE"):
        hint = "choose a timestamp or a date"
        raise WrongValue(f"`{fields.at}` cannot date an entry: it is {known[fields.at].type}", node.find("at").at, hint=hint)
    summary = node.find("summary")
    tree = over_attributes(parse_scalar(summary), summary, object_.name, known)
    return TimelineEntry(fields.kind, fields.at, tree, tuple(fields.details))


def _check_references(objects: Mapping[str, ObjectType], nodes: Mapping[str, Node], problems: Problems) -> None:
    entities = {o.entity for o in objects.values() if o.entity}
    names: dict[str, str] = {}
    for object_ in objects.values():
        node = nodes.get(object_.name)
        at = node.key() if node else None
        if object_.of and object_.of not in entities:
            where = node.find("of").at if node else None
            problems.add(UnknownName(f"`{object_.of}` is not an entity", where, hint=did_you_mean(object_.of, entities)))
        for name in (object_.name, *object_.aliases):
            if names.setdefault(name, object_.name) != object_.name:
                problems.add(Conflict(f"`{name}` names both `{names[name]}` and `{object_.name}`", at, hint="drop the alias"))
        for attribute in object_.attributes.values():
            if attribute.references and not _refers(attribute.references, objects):
                where = node.find("attributes", attribute.name, "references").at if node else None
                hint = "write object.attribute, both of which exist"
                text = f"`{object_.name}.{attribute.name}` references `{attribute.references}`, which does not exist"
                problems.add(BadLink(text, where, hint=hint))


def _refers(reference: str, objects: Mapping[str, ObjectType]) -> bool:
    name, _, attribute = reference.partition(".")
    return name in objects and attribute in objects[name].attributes
