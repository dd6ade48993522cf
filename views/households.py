"""What `households:` of an entity means, and the view that shows them."""

from __future__ import annotations

from collections.abc import Mapping

from identity.model import Households
from views.errors import Conflict, Problems, WrongValue
from views.fields import EntityFields, HouseholdFields
from views.model import ObjectType
from views.project_file import Node

VIEW_TYPES = {"household_id": "BIGINT", "id360": "BIGINT"}


def view_name(entity: str) -> str:
    """The view of the households of an entity."""
    return "household" if entity == "individual" else f"{entity}_household"


def households(
    object_: ObjectType, fields: EntityFields, node: Node, objects: Mapping[str, ObjectType], problems: Problems
) -> Households | None:
    """How an entity is grouped into households, None if it is not. What is wrong goes to `problems`."""
    asked = fields.households
    if asked is False:
        return None
    place = node.find("households").key()
    if fields.model is None:
        said = f"`{object_.name}` has no model, and only a model can tell who is of one household"
        problems.add(WrongValue(said, place, hint="add `model: standard`"))
    name = view_name(object_.name)
    if any(name in (o.name, *o.aliases) for o in objects.values()):
        said = f"households of `{object_.name}` show as `{name}`, and there is an object of that name"
        problems.add(Conflict(said, place, hint="give the object another name"))
    return Households(asked.threshold, asked.largest) if isinstance(asked, HouseholdFields) else Households()
