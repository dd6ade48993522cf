"""What `model:` of an entity means: which of its attributes are weighed, and as what, by their names or as the project says."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from collections.abc import Mapping as MappingOf

from identity.model import AtMost, MatchKey, MatchModel, MatchRule
from identity.normalise import COUNTRY_HINT
from identity.phone_numbers import country
from identity.probabilistic.kinds import Field, Kind, kind_of
from views.errors import Conflict, Problems, UnknownAttribute, UnknownName, WrongValue, did_you_mean
from views.fields import EntityFields, ModelFields
from views.model import Attribute, Mapping, ObjectType
from views.project_file import Node

_NAMES = (Kind.GIVEN, Kind.FAMILY, Kind.BIRTH_DATE)
_NUMBERS = (Kind.PHONE, Kind.POSTCODE, Kind.HOUSE_NUMBER, Kind.IDENTIFIER, Kind.TEXT, Kind.GENDER)
_PARTS = (Kind.BIRTH_YEAR, Kind.BIRTH_MONTH, Kind.BIRTH_DAY, Kind.AGE)
_OPTIONS = {Kind.PHONE: r"[A-Z]{2}|[1-9][0-9]{0,2}", Kind.EMAIL: "drop_tags", Kind.BIRTH_DATE: "dmy|mdy"}
"""What may stand in brackets after a kind: the option of its normal form."""
_STEMS = {Kind.PHONE: "phone", Kind.EMAIL: "email", Kind.BIRTH_DATE: "date"}


def match_model(
    object_: ObjectType, fields: EntityFields, node: Node, mappings: Sequence[Mapping], rules: Sequence[MatchRule], problems: Problems
) -> MatchModel | None:
    """The model of an entity, None if it has none. What is wrong goes to `problems`."""
    if fields.model is None:
        return None
    given = fields.model if isinstance(fields.model, ModelFields) else ModelFields()
    mapped = _mapped(object_, mappings)
    declared: dict[str, tuple[Kind, str]] = {}
    for name, text in given.attributes.items():
        with problems.collect():
            place = node.find("model", "attributes", name)
            attribute = _attribute(name, object_, mapped, place)
            declared[name] = _kind(text, attribute, place)
    for i, name in enumerate(given.must_not):
        with problems.collect():
            place = node.find("model", "must_not", i)
            _attribute(name, object_, mapped, place)
    kinds = {a.name: declared[a.name][0] if a.name in declared else usual_kind(object_, a) for a in object_.attributes.values()}
    found = tuple(Field(name, kind) for name, kind in kinds.items() if name in mapped and kind is not Kind.IGNORED)
    if mapped and not found:
        hint = "map a name, an address, a date or a number, or say under `attributes:` what the mapped ones are"
        problems.add(WrongValue(f"no mapping of `{object_.name}` gives anything to weigh", node.find("model").key(), hint=hint))
    normals = {f.attribute: declared.get(f.attribute, (None, ""))[1] or _normal(f, object_, rules) for f in found}
    must_not = tuple(_limit_key(n, object_, normals, rules) for n in given.must_not if n in object_.attributes)
    return MatchModel(found, normals, must_not, given.threshold, given.block_cap, given.largest_cluster)


def at_most(
    object_: ObjectType,
    fields: EntityFields,
    node: Node,
    mappings: Sequence[Mapping],
    rules: Sequence[MatchRule],
    model: MatchModel | None,
    problems: Problems,
) -> tuple[AtMost, ...]:
    """How many values of its attributes one of an entity has. What is wrong goes to `problems`."""
    mapped, single = _mapped(object_, mappings), {key.attribute for key in model.must_not} if model else set()
    found = []
    for name, most in fields.at_most.items():
        with problems.collect():
            place = node.find("at_most", name)
            _attribute(name, object_, mapped, place)
            if name in single:
                hint = "one value is what `must_not` says; keep one of the two"
                raise Conflict(f"`{name}` is in `must_not` already", place.key(), hint=hint)
            found.append(AtMost(_limit_key(name, object_, model.normals if model else {}, rules), most))
    return tuple(found)


def _limit_key(name: str, object_: ObjectType, normals: MappingOf[str, str], rules: Sequence[MatchRule]) -> MatchKey:
    """An attribute whose values are counted: in the form in which the model weighs it, or else a rule compares it, or else its own."""
    ruled = next((part.normal for rule in rules for part in rule.parts if part.attribute == name), "")
    return MatchKey(name, normals.get(name) or ruled or object_.attributes[name].normal)


def _mapped(object_: ObjectType, mappings: Sequence[Mapping]) -> set[str]:
    return {name for m in mappings if m.object == object_.name for name in m.attributes}


def usual_kind(object_: ObjectType, attribute: Attribute) -> Kind:
    """What an attribute is unless the project says it: by its identifier, its type and its name. What is not recognised is ignored.

    The `name` of an object that has no people's names is an organisation's.
    """
    if attribute.references or attribute.name == object_.key:
        return Kind.IGNORED
    if attribute.identifier:
        return {"email": Kind.EMAIL, "phone": Kind.PHONE}.get(attribute.identifier, Kind.IDENTIFIER)
    kind = kind_of(attribute.name)
    if kind is Kind.TEXT or not _comparable(kind, attribute.type):
        return Kind.IGNORED
    person = any(kind_of(name) in _NAMES for name in object_.attributes)
    return Kind.ORGANISATION if kind is Kind.FULL and not person else kind


def _comparable(kind: Kind, type_: str) -> bool:
    """Whether values of a type can be of that kind."""
    if type_ == "VARCHAR":
        return True
    if type_ in ("DATE", "TIMESTAMP"):
        return kind is Kind.BIRTH_DATE
    return type_ == "BIGINT" and kind in (*_NUMBERS, *_PARTS)


def _attribute(name: str, object_: ObjectType, mapped: Collection[str], node: Node) -> Attribute:
    if name not in object_.attributes:
        hint = did_you_mean(name, object_.attributes)
        raise UnknownAttribute(f"`{object_.name}` has no attribute `{name}`", node.key(), hint=hint)
    if mapped and name not in mapped:
        raise WrongValue(f"no mapping of `{object_.name}` gives `{name}`", node.key(), hint="add it to a mapping, or take it out here")
    return object_.attributes[name]


def _kind(text: str, attribute: Attribute, node: Node) -> tuple[Kind, str]:
    """The kind that is written, and the normal form that its option makes; "" without one."""
    written = re.fullmatch(r"(\w+)(?:\((\w+)\))?", text)
    name, option = (written[1], written[2]) if written else (text, None)
    if name not in set(Kind):
        raise UnknownName(f"there is no kind `{text}`", node.at, hint=did_you_mean(name, [k.value for k in Kind]))
    kind = Kind(name)
    if option and not re.fullmatch(_OPTIONS.get(kind, "(?!)"), option):
        raise WrongValue(f"`{name}` does not take `{option}`", node.at, hint="use phone(DE), email(drop_tags), birth_date(dmy) or none")
    if option and kind is Kind.PHONE and country(option) is None:
        raise WrongValue(f"`{attribute.name}`: no country {option} is known to phone numbers", node.at, hint=COUNTRY_HINT)
    if kind is not Kind.IGNORED and not _comparable(kind, attribute.type):
        raise WrongValue(f"`{attribute.name}` is {attribute.type}, which cannot be compared as {kind}", node.at, hint="write `ignored`")
    return kind, f"{_STEMS[kind]}({option})" if option else ""


def _normal(field: Field, object_: ObjectType, rules: Sequence[MatchRule]) -> str:
    """The form in which a rule compares the attribute (it may know the country of phone numbers), else the attribute's own."""
    stem = _STEMS.get(field.kind, "")
    of_rules = [part.normal for rule in rules for part in rule.parts if part.attribute == field.attribute]
    usable = [normal for normal in of_rules if stem and normal.startswith(f"{stem}(")]
    return usable[0] if usable else object_.attributes[field.attribute].normal
