"""Source tables as rows of objects: attributes, keys, and the link that leads a row to its person."""

from __future__ import annotations

from collections.abc import Mapping as MappingOf
from collections.abc import Sequence
from dataclasses import replace

from sqlglot import exp

from views.errors import BadLink, Conflict, MissingField, Problems, UnknownAttribute, UnknownName, WrongValue, did_you_mean
from views.expressions import parse_scalar
from views.fields import MappingFields, PersonFields
from views.model import ForeignKey, Identifier, Link, Location, Mapping, ObjectType, OwnKey, SourceConfig, object_named
from views.project_file import Node


def build_mappings(
    entries: Sequence[MappingFields],
    node: Node,
    objects: MappingOf[str, ObjectType],
    sources: MappingOf[str, SourceConfig],
    problems: Problems,
) -> tuple[Mapping, ...]:
    """The mappings of a project, with their links. What is wrong goes to `problems`; a mapping of unknown things is left out."""
    built: list[tuple[Mapping, MappingFields, Node]] = []
    for i, fields in enumerate(entries):
        with problems.collect():
            built.append((_mapping(fields, node.find(i), objects, sources, problems), fields, node.find(i)))
    everything = [m for m, _, _ in built]
    _check_duplicates(everything, objects, problems)
    linked = []
    for mapping, fields, place in built:
        with problems.collect():
            linked.append(replace(mapping, link=_link(mapping, fields.person, place, objects, everything, entries)))
    return tuple(linked)


def _mapping(
    fields: MappingFields, node: Node, objects: MappingOf[str, ObjectType], sources: MappingOf[str, SourceConfig], problems: Problems
) -> Mapping:
    object_ = object_named(objects, fields.object)
    if object_ is None:
        hint = did_you_mean(fields.object, objects, "define it under `objects:`")
        raise UnknownName(f"there is no object `{fields.object}`", node.find("object").at, hint=hint)
    if (source := sources.get(fields.source)) is None:
        hint = did_you_mean(fields.source, sources, "define it under `sources:`")
        problems.add(UnknownName(f"there is no source `{fields.source}`", node.find("source").at, hint=hint))
    key = columns_of_key(fields.key, node.find("key"))
    attributes, places = _attributes(object_, fields, node.find("attributes"), problems)
    if object_.key and object_.key not in attributes and len(key) == 1:
        attributes[object_.key] = exp.column(key[0], quoted=True)
        places[object_.key] = node.find("key").at
    if fields.changed_at and not object_.entity:
        why = f"`changed_at` says which records a resolve has to read, and `{object_.name}` is not resolved"
        problems.add(WrongValue(why, node.find("changed_at").at, hint="remove it"))
    where = None
    if fields.where:
        with problems.collect():
            where = parse_scalar(node.find("where"))
    return Mapping(
        object=object_.name, source=fields.source, table=fields.table, key=key, attributes=attributes, where=where, space=fields.space,
        timezone=_timezone(fields.timezone, node, problems) or (source.timezone if source else "UTC"), profile=fields.profile,
        changed_at=fields.changed_at, location=node.at,
        places=places | {f":{f}": node.find(f).at for f in ("table", "key", "where", "person", "changed_at")},
    )  # fmt: skip


def _attributes(
    object_: ObjectType, fields: MappingFields, node: Node, problems: Problems
) -> tuple[dict[str, exp.Expr], dict[str, Location]]:
    attributes: dict[str, exp.Expr] = {}
    places: dict[str, Location] = {}
    for name in fields.attributes:
        with problems.collect():
            if name not in object_.attributes:
                hint = did_you_mean(name, object_.attributes, f"add it under `objects: {object_.name}: attributes:`")
                raise UnknownAttribute(f"`{object_.name}` has no attribute `{name}`", node.key(name), hint=hint)
            attributes[name] = parse_scalar(node.find(name))
            places[name] = node.find(name).at
    return attributes, places


def columns_of_key(key: str | list[str], node: Node) -> tuple[str, ...]:
    """One column or several. Raises WrongValue for none, an empty name or a name twice."""
    columns = (key,) if isinstance(key, str) else tuple(key)
    if not columns or not all(columns):
        raise WrongValue("a key is one column or a list of columns", node.at, hint="key: id, or key: [tenant, id]")
    if len(set(columns)) < len(columns):
        raise WrongValue("a key names a column twice", node.at, hint="name each once")
    return columns


def _timezone(name: str, node: Node, problems: Problems) -> str:
    if name:
        with problems.collect():
            check_timezone(name, node.find("timezone"))
    return name


def check_timezone(name: str, node: Node) -> None:
    """Raises WrongValue for what is not a zone of the IANA database."""
    if name == "UTC":
        return
    import zoneinfo

    known = zoneinfo.available_timezones()
    if name not in known:
        hint = did_you_mean(name, known, "use a name like Europe/Berlin")
        raise WrongValue(f"there is no time zone `{name}`", node.at, hint=hint)


def _check_duplicates(mappings: Sequence[Mapping], objects: MappingOf[str, ObjectType], problems: Problems) -> None:
    """A table resolved twice under one entity and space would give its keys two meanings."""
    seen: dict[tuple[str, str, str, str], Mapping] = {}
    for m in mappings:
        if objects[m.object].entity:
            first = seen.setdefault((m.object, m.space, m.source, m.table), m)
            if first is not m:
                text = f"`{m.source}.{m.table}` is mapped to `{m.object}` twice"
                problems.add(Conflict(text, m.location, hint=f"the first is at {first.location}: make one of them"))


def _link(
    mapping: Mapping, person: PersonFields | str | None, node: Node, objects: MappingOf[str, ObjectType],
    everything: Sequence[Mapping], entries: Sequence[MappingFields],
) -> Link | None:  # fmt: skip
    object_ = objects[mapping.object]
    if object_.entity or not object_.of:
        if person is not None and person != "none":
            why = "its own key is resolved" if object_.entity else "its rows belong to nobody"
            raise BadLink(f"`{object_.name}` takes no `person`: {why}", node.key("person"), hint="remove `person`")
        return OwnKey() if object_.entity else None
    if person == "none":
        return None
    records = [m for m in everything if objects[m.object].entity == object_.of]
    if person is None or isinstance(person, str):
        return _same_table(mapping, object_.of, records, node)
    if bool(person.table) == bool(person.identifier):
        raise BadLink("`person` is either a foreign key or an identifier", node.find("person").at, hint=PERSON_HINT)
    if person.table:
        return _foreign_key(mapping, person, node.find("person"), object_.of, records, everything, entries)
    return _identifier(person, node.find("person"), object_.of, records, objects)


PERSON_HINT = "write {table: customer, key: customer_id}, or {identifier: email, value: email}"


def _same_table(mapping: Mapping, entity: str, records: Sequence[Mapping], node: Node) -> ForeignKey:
    """Without `person`: the mapped table is itself resolved (a contact's e-mail, from the contact's own row)."""
    for m in records:
        if (m.source, m.table, m.space) == (mapping.source, mapping.table, mapping.space):
            return ForeignKey(m.table, m.key)
    text = f"a mapping to `{mapping.object}` needs `person`: how do its rows belong to an {entity}?"
    raise MissingField(text, node.at, hint=f"{PERSON_HINT}; or `person: none` if the table cannot tell")


def _foreign_key(
    mapping: Mapping, person: PersonFields, node: Node, entity: str, records: Sequence[Mapping],
    everything: Sequence[Mapping], entries: Sequence[MappingFields],
) -> ForeignKey:  # fmt: skip
    columns = columns_of_key(person.key, node.find("key"))
    here = [m for m in records if m.source == mapping.source and m.space == mapping.space]
    for target in here:
        if target.table == person.table:
            if len(target.key) != len(columns):
                text = f"`{person.table}` has the key {', '.join(target.key)}: {len(target.key)} column(s), not {len(columns)}"
                raise BadLink(
                    text, node.find("key").at, hint=f"name as many columns, in that order; the table is mapped at {target.location}"
                )
            return ForeignKey(person.table, columns)
    at = node.find("table").at
    if chain := _cycle(mapping, entries):
        raise BadLink(f"tables point to each other and none is resolved: {' → '.join(chain)}", at, hint=f"map one of them to `{entity}`")
    if any(m.source == mapping.source and m.table == person.table for m in everything):
        hint = f"point to a table that is mapped to `{entity}`, or say `person: none` and join by its key"
        raise BadLink(f"`{person.table}` is not resolved as {entity}", at, hint=hint)
    resolved = [m.table for m in here]
    hint = did_you_mean(person.table, resolved) if resolved else f"map a table of `{mapping.source}` to `{entity}` first"
    raise BadLink(f"`{mapping.source}.{person.table}` is not mapped", at, hint=hint)


def _cycle(mapping: Mapping, entries: Sequence[MappingFields]) -> list[str]:
    """The chain of tables from a mapping's own back to itself, [] if foreign keys do not lead there."""
    follow = {
        e.table: e.person.table for e in entries if e.source == mapping.source and isinstance(e.person, PersonFields) and e.person.table
    }
    chain = [mapping.table]
    while (following := follow.get(chain[-1])) is not None:
        chain.append(following)
        if following in chain[:-1]:
            return chain[chain.index(following) :]
    return []


def _identifier(
    person: PersonFields, node: Node, entity: str, records: Sequence[Mapping], objects: MappingOf[str, ObjectType]
) -> Identifier:
    if not person.value:
        raise MissingField("an identifier needs its `value`", node.at, hint="value: the column or expression that holds it")
    declared = {a.identifier: a.normal for o in objects.values() if o.entity == entity for a in o.attributes.values() if a.identifier}
    at = node.find("identifier").at
    if person.identifier not in declared:
        hint = did_you_mean(person.identifier, declared, f"declare it at an attribute of `{entity}`: identifier: {person.identifier}")
        raise BadLink(f"no attribute of `{entity}` is an identifier `{person.identifier}`", at, hint=hint)
    filled = {objects[m.object].attributes[a].identifier for m in records for a in m.attributes}
    if person.identifier not in filled:
        text = f"no mapping fills the identifier `{person.identifier}` of `{entity}`: no row could be led to anybody"
        raise BadLink(text, at, hint=f"map an attribute of `{entity}` that is one")
    value = parse_scalar(node.find("value"))
    return Identifier(person.identifier, value, person.store != "never", person.normalised, declared[person.identifier])
