"""Of which attributes a placeholder (1900-01-01, n/a) is passed over in a golden record: those that tell who somebody is."""

from __future__ import annotations

from sqlglot import exp

from identity.placeholders import placeholder
from identity.probabilistic.kinds import Kind
from views.match_models import usual_kind
from views.model import Model, ObjectType

_FORMS = {Kind.EMAIL: "email", Kind.PHONE: "phone", Kind.BIRTH_DATE: "date"}


def placeholders(project: Model, thing: ObjectType) -> dict[str, exp.Expr]:
    """Attribute of an entity → whether a record's value of it stands for nothing (see identity.placeholders).

    These are the attributes that are matched, and those that by their name would be (a family name, even if no rule asks for it). Of
    others nobody knows what `unknown` or 9999-12-31 means: it may be the value.
    """
    weighed, rules = project.models.get(thing.entity), project.rules.get(thing.entity, ())
    kinds = {name: usual_kind(thing, attribute) for name, attribute in thing.attributes.items()}
    kinds |= {f.attribute: f.kind for f in weighed.fields} if weighed else {}
    normals = {part.attribute: part.normal for rule in rules for part in rule.parts}
    normals |= {name: _FORMS.get(kind, "lower") for name, kind in kinds.items() if kind is not Kind.IGNORED}
    return {
        name: placeholder(normal, exp.column(name, quoted=True), thing.attributes[name].type)
        for name, normal in normals.items()
        if name in thing.attributes
    }
