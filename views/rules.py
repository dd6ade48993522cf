"""Match rules, survivorship, policies and settings of a project file, held against its objects."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from collections.abc import Mapping as MappingOf

from sqlglot import exp

from identity.errors import UnknownNormalForm
from identity.model import MatchKey, MatchRule
from identity.normalise import check_normal_form
from views.errors import Conflict, MissingField, Problems, UnknownAttribute, UnknownName, WrongValue, did_you_mean
from views.expressions import over_attributes, parse_scalar
from views.fields import EntityFields, NamedRuleFields, PolicyFields, SettingsFields, SurvivorshipFields
from views.model import Mapping, ObjectType, Policy, SourceConfig, Survivorship, SurvivorshipRule, object_named
from views.project_file import Node

Objects = MappingOf[str, ObjectType]


def entity_object(entity: str, objects: Objects, node: Node) -> ObjectType:
    """The object whose records are resolved as that entity. Raises UnknownName."""
    found = {o.entity: o for o in objects.values() if o.entity}
    if entity not in found:
        raise UnknownName(f"there is no entity `{entity}`", node.key(), hint=did_you_mean(entity, found))
    return found[entity]


def match_rules(object_: ObjectType, fields: EntityFields, node: Node, problems: Problems) -> tuple[MatchRule, ...]:
    """The match rules of one entity. What is wrong goes to `problems`."""
    rules: list[MatchRule] = []
    if not isinstance(node.value, dict) or not node.value.keys() & {"rules", "model"}:
        hint = "add `model: standard`, or `rules:`"
        problems.add(MissingField(f"`{object_.entity}` needs a field `rules` or `model`", node.key(), hint=hint))
    for i, entry in enumerate(fields.rules):
        with problems.collect():
            rule = _match_rule(entry, node.find("rules", i), object_)
            if any(rule.name == r.name for r in rules):
                raise Conflict(f"two rules are called `{rule.name}`", node.find("rules", i).at, hint="give one another name")
            rules.append(rule)
    return tuple(rules)


def one_per_source(
    object_: ObjectType, fields: EntityFields, node: Node, mappings: Sequence[Mapping], problems: Problems
) -> tuple[str, ...]:
    """The sources, or source.table, that hold each one of an entity once. What is wrong goes to `problems`."""
    own = [m for m in mappings if m.object == object_.name]
    sources = tuple(dict.fromkeys(m.source for m in own))
    if isinstance(fields.one_per_source, bool):
        return sources if fields.one_per_source else ()
    known = {*sources, *(f"{m.source}.{m.table}" for m in own)}
    for i, name in enumerate(fields.one_per_source):
        if name not in known:
            at = node.find("one_per_source", i).at
            problems.add(UnknownName(f"no mapping of `{object_.name}` reads `{name}`", at, hint=did_you_mean(name, known)))
    return tuple(dict.fromkeys(fields.one_per_source))


def _match_rule(entry: str | list[str] | NamedRuleFields, node: Node, object_: ObjectType) -> MatchRule:
    name = entry.name if isinstance(entry, NamedRuleFields) else ""
    match = entry.match if isinstance(entry, NamedRuleFields) else entry
    place = node.find("match") if isinstance(entry, NamedRuleFields) else node
    wanted: dict[str, str] = match if isinstance(match, dict) else dict.fromkeys([match] if isinstance(match, str) else match, "")
    if not wanted:
        raise WrongValue("a rule needs an attribute", place.at, hint="write an attribute, or a list of them")
    parts = [_match_key(attribute, normal, place, i, object_) for i, (attribute, normal) in enumerate(wanted.items())]
    return MatchRule(name or "+".join(wanted), tuple(parts))


def _match_key(attribute: str, normal: str, node: Node, index: int, object_: ObjectType) -> MatchKey:
    at = node.key(attribute) if isinstance(node.value, dict) else node.find(index).at
    if attribute not in object_.attributes:
        hint = did_you_mean(attribute, object_.attributes)
        raise UnknownAttribute(f"`{object_.name}` has no attribute `{attribute}`", at, hint=hint)
    normal = normal or object_.attributes[attribute].normal
    try:
        check_normal_form(normal)
    except UnknownNormalForm as error:
        raise WrongValue(f"`{attribute}`: {error.message}", node.find(attribute).at, hint=error.hint) from error
    return MatchKey(attribute, normal)


def survivorship(
    entity: str, fields: SurvivorshipFields, node: Node, objects: Objects, sources: MappingOf[str, SourceConfig], problems: Problems
) -> Survivorship:
    """The survivorship of one entity. What is wrong goes to `problems`."""
    rules: dict[str, SurvivorshipRule] = {}
    orders: dict[str, tuple[str, ...]] = {}
    with problems.collect():
        known = entity_object(entity, objects, node).attributes
        _check_sources(fields.source_order, node.find("source_order"), sources, problems)
        named = [(a, node.find("attributes").key(a)) for a in fields.attributes]
        if "updated_at" in node.value:
            named.append((fields.updated_at, node.find("updated_at").at))
        for name, at in named:
            if name not in known:
                problems.add(UnknownAttribute(f"`{entity}` has no attribute `{name}`", at, hint=did_you_mean(name, known)))
        for name, entry in fields.attributes.items():
            rules[name] = entry if isinstance(entry, SurvivorshipRule) else entry.rule
            if not isinstance(entry, SurvivorshipRule) and entry.sources:
                _check_sources(entry.sources, node.find("attributes", name, "sources"), sources, problems)
                orders[name] = tuple(entry.sources)
            if rules[name] is SurvivorshipRule.PRIORITY and not (orders.get(name) or fields.source_order):
                hint = "add `sources: [most trusted, …]`, or a `source_order` for the entity"
                problems.add(WrongValue(f"`{name}` goes by source, but no order is given", node.find("attributes").key(name), hint=hint))
    if fields.default is SurvivorshipRule.PRIORITY and not fields.source_order:
        problems.add(WrongValue("`source_priority` needs an order", node.find("default").at, hint="add `source_order: [most trusted, …]`"))
    return Survivorship(entity, fields.default, tuple(fields.source_order), fields.updated_at, rules, orders)


def _check_sources(names: Sequence[str], node: Node, sources: MappingOf[str, SourceConfig], problems: Problems) -> None:
    for i, name in enumerate(names):
        if name not in sources:
            problems.add(UnknownName(f"there is no source `{name}`", node.find(i).at, hint=did_you_mean(name, sources)))


def policies(
    entries: Sequence[PolicyFields], node: Node, objects: Objects, problems: Problems, households: Iterable[str] = ()
) -> tuple[Policy, ...]:
    """The policies of a project. `households` are views of such. What is wrong goes to `problems`: a policy that is not understood must not
    be passed over."""
    views = frozenset(households)
    built: list[Policy] = []
    for i, fields in enumerate(entries):
        with problems.collect():
            built.append(_policy(fields, node.find(i), objects, problems, views))
            if any(p.name == fields.name for p in built[:-1]):
                problems.add(Conflict(f"two policies are called `{fields.name}`", node.find(i, "name").at, hint="give one another name"))
    return tuple(built)


def _policy(fields: PolicyFields, node: Node, objects: Objects, problems: Problems, households: Collection[str]) -> Policy:
    places = ((name, node.find("objects", i)) for i, name in enumerate(fields.objects))
    bound = [o for name, at in places if (o := _bound(name, at, fields.deny, objects, problems, households))]
    filter_ = None
    masks: dict[str, exp.Expr] = {}
    with problems.collect():
        if fields.filter:
            filter_ = _over_all(bound, node.find("filter"))
    for name in fields.mask:
        with problems.collect():
            for governed, known in bound:
                if name not in known:
                    at = node.find("mask").key(name)
                    raise UnknownAttribute(f"`{governed}` has no attribute `{name}`", at, hint=did_you_mean(name, known))
            masks[name] = _over_all(bound, node.find("mask", name))
    if not (fields.filter or fields.mask or fields.deny):
        problems.add(WrongValue(f"the policy `{fields.name}` does nothing", node.at, hint="give it a `filter`, a `mask` or `deny: true`"))
    return Policy(
        fields.name, tuple(name for name, _ in bound), tuple(fields.roles), tuple(fields.purposes), tuple(fields.except_roles),
        tuple(fields.except_purposes), filter_, masks, fields.deny, node.at,
    )  # fmt: skip


DENIED_ONLY = re.compile(r"^(raw(\.[^.]+){0,3}|crosswalk)$")
"""What can be denied but not filtered: raw tables (all, of one source, or one) and the crosswalk; households too."""

TIMELINE_ATTRIBUTES = ("at", "kind", "source", "summary", "details")
"""What a policy on the timeline can speak of."""


def _bound(
    name: str, node: Node, deny: bool, objects: Objects, problems: Problems, households: Collection[str]
) -> tuple[str, frozenset[str]] | None:
    """The name of what a policy governs, with the attributes that it can speak of."""
    if DENIED_ONLY.match(name) or name in households:
        if not deny:
            problems.add(WrongValue(f"`{name}` can only be denied", node.at, hint="filter and mask the objects that it shows"))
            return None
        return name, frozenset()
    if name == "timeline":
        return name, frozenset(TIMELINE_ATTRIBUTES)
    if name.endswith("_record") and (record := objects.get(name.removesuffix("_record"))) and record.entity:
        return name, frozenset(record.attributes) | {"source", "source_table"}
    object_ = object_named(objects, name)
    if object_ is None:
        problems.add(UnknownName(f"there is no object `{name}`", node.at, hint=did_you_mean(name, objects)))
        return None
    return object_.name, frozenset(object_.attributes)


def _over_all(bound: Sequence[tuple[str, frozenset[str]]], node: Node) -> exp.Expr:
    tree = parse_scalar(node, stable=True)
    for name, attributes in bound:
        over_attributes(tree, node, name, attributes)
    return tree


_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "": 1.0}
_BYTES = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}


def settings(fields: SettingsFields, node: Node, problems: Problems) -> dict[str, object]:
    """The settings that are given: `timeout` in seconds (float), `max_rows`, `memory` in bytes (int)."""
    found: dict[str, object] = {}
    with problems.collect():
        if fields.timeout != "":
            found["timeout"] = _quantity(str(fields.timeout), _SECONDS, node.find("timeout"), "30s, 500ms or 2m")
    with problems.collect():
        if fields.memory != "":
            found["memory"] = int(_quantity(str(fields.memory), _BYTES, node.find("memory"), "512MiB or 1GiB"))
    if fields.max_rows is not None:
        found["max_rows"] = fields.max_rows
    return found


def _quantity(text: str, units: MappingOf[str, float], node: Node, example: str) -> float:
    match = re.match(r"^\s*([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*)\s*$", text)
    if match is None or match[2] not in units or float(match[1]) <= 0:
        raise WrongValue(f"`{text}` is not a quantity", node.at, hint=f"write {example}")
    return float(match[1]) * units[match[2]]
