"""Hold a YAML tree against a class of `fields`: every problem with its place, then the typed value."""

from __future__ import annotations

import enum
import operator
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, TypeVar

import msgspec
from msgspec import inspect

from views.errors import SECRET_OPTION, MissingField, ProjectFile, UnknownField, WrongValue, did_you_mean, raise_together
from views.fields import REST
from views.project_file import Node

T = TypeVar("T", bound=msgspec.Struct)


def checked(node: Node, cls: type[T]) -> T:
    """The tree as an instance of the class. Raises what is wrong with its fields and types, all of it together."""
    raise_together(list(_struct(node, cls, "project")))
    return msgspec.convert(node.plain(), cls)


def rest(node: Node, cls: type[msgspec.Struct]) -> dict[str, Node]:
    """The entries of a mapping that are not fields of the class."""
    known = {f.encode_name for f in msgspec.structs.fields(cls)}
    return {key: value for key, value in node.value.items() if key not in known}


def _struct(node: Node, cls: type[msgspec.Struct], what: str) -> Iterator[ProjectFile]:
    if not isinstance(node.value, dict):
        yield WrongValue(f"`{what}` must be a mapping of {', '.join(f.encode_name for f in msgspec.structs.fields(cls))}", node.at)
        return
    fields = _fields(cls)
    for key, value in node.value.items():
        if key in fields:
            yield from _value(value, fields[key].type, key)
        elif (other := REST.get(cls)) is None:
            yield UnknownField(f"`{what}` has no field `{key}`", value.key_at or value.at, hint=did_you_mean(key, fields))
        elif other is Any:
            continue
        elif not isinstance(value.value, dict) and (near := did_you_mean(key, fields, " ")).strip():  # a field misspelt, no entity
            yield UnknownField(f"`{what}` has no field `{key}`", value.key_at or value.at, hint=near)
        else:
            yield from _struct(value, other, key)
    for name, f in fields.items():
        if f.required and name not in node.value:
            yield MissingField(f"`{what}` needs a field `{name}`", node.key_at or node.at, hint=f"add `{name}:`")


@cache
def _fields(cls: type[msgspec.Struct]) -> Mapping[str, inspect.Field]:
    described = inspect.type_info(cls)
    assert isinstance(described, inspect.StructType)
    return {f.encode_name: f for f in described.fields}


def _value(node: Node, type_: inspect.Type, what: str) -> Iterator[ProjectFile]:
    match type_:
        case inspect.Metadata():
            yield from _value(node, type_.type, what)
        case inspect.StructType():
            yield from _struct(node, type_.cls, what)
        case inspect.DictType() if isinstance(node.value, dict):
            for key, value in node.value.items():
                yield from _value(Node(key, value.key_at or value.at), type_.key_type, key)
                yield from _value(value, type_.value_type, key)
        case inspect.ListType() if isinstance(node.value, list):
            if len(node.value) < (type_.min_length or 0):
                yield WrongValue(f"`{what}` must not be empty", node.at)
            for item in node.value:
                yield from _value(item, type_.item_type, what)
        case inspect.UnionType():
            meant = _alternative(node, type_)
            if isinstance(node.value, str) and isinstance(meant, inspect.BoolType) and _takes_list(type_):
                yield WrongValue(
                    f"`{what}` must be a list, or true or false, not `{node.value}`", node.at, hint=f"write `{what}: [{node.value}]`"
                )
            else:
                yield from _value(node, meant, what)
        case _ if problem := _mismatch(node.value, type_):
            if SECRET_OPTION.search(what):  # never show a credential, nor the line that holds it
                yield WrongValue(f"`{what}` must be text", node.key_at or node.at, hint="put it into the environment: ${env:NAME}")
            else:
                yield WrongValue(f"`{what}` {problem}", node.at, hint=_choices(node.value, type_, what))


def _alternative(node: Node, union: inspect.UnionType) -> inspect.Type:
    """The member of a union that a value can only have been meant for."""
    shapes: dict[type, tuple[type[inspect.Type], ...]] = {dict: (inspect.StructType, inspect.DictType), list: (inspect.ListType,)}
    wanted = shapes.get(type(node.value), ())
    members = [m.type if isinstance(m, inspect.Metadata) else m for m in union.types]
    if by_shape := [m for m in members if isinstance(m, wanted)]:
        return by_shape[0]
    scalars = [m for m in members if not isinstance(m, inspect.StructType | inspect.DictType | inspect.ListType)]
    fitting = [m for m in scalars if not _mismatch(node.value, m)]
    return (fitting or [m for m in scalars if not isinstance(m, inspect.NoneType)] or members)[0]


def _takes_list(union: inspect.UnionType) -> bool:
    return any(isinstance(m.type if isinstance(m, inspect.Metadata) else m, inspect.ListType) for m in union.types)


SCALARS: tuple[tuple[type[inspect.Type], tuple[type, ...], str], ...] = (
    (inspect.StrType, (str,), "text"),
    (inspect.BoolType, (bool,), "true or false"),
    (inspect.IntType, (int,), "a whole number"),
    (inspect.FloatType, (int, float), "a number"),
    (inspect.NoneType, (type(None),), "null"),
    (inspect.ListType, (list,), "a list"),
    (inspect.DictType, (dict,), "a mapping"),
)


def _mismatch(value: Any, type_: inspect.Type) -> str:
    """What is wrong with a scalar, "" if nothing."""
    if isinstance(type_, inspect.EnumType | inspect.LiteralType):
        return "" if value in _members(type_) else f"cannot be `{value}`"
    for kind, classes, expected in SCALARS:
        if isinstance(type_, kind):
            wrong = not isinstance(value, classes) or (isinstance(value, bool) and bool not in classes)
            return f"must be {expected}, not {_shown(value)}" if wrong else _outside(value, type_)
    return ""


def _outside(value: Any, type_: inspect.Type) -> str:
    if isinstance(type_, inspect.StrType):
        if type_.min_length and len(value) < type_.min_length:
            return "must not be empty"
        return f"cannot be `{value}`" if type_.pattern and not re.search(type_.pattern, value) else ""
    if isinstance(type_, inspect.IntType | inspect.FloatType):
        bounds = ((type_.ge, operator.ge), (type_.le, operator.le), (type_.gt, operator.gt), (type_.lt, operator.lt))
        return "" if all(bound is None or within(value, bound) for bound, within in bounds) else f"cannot be {value}"
    return ""


def _members(type_: inspect.EnumType | inspect.LiteralType) -> list[str]:
    values = type_.values if isinstance(type_, inspect.LiteralType) else [m.value for m in type_.cls]
    return [str(v) for v in values]


def _choices(value: Any, type_: inspect.Type, what: str) -> str:
    if isinstance(type_, inspect.BoolType):
        quotes = ", without quotes" if isinstance(value, str) and value.lower() in ("true", "false") else ""
        return f"write `{what}: true` or `{what}: false`{quotes}"
    if isinstance(type_, inspect.StrType) and isinstance(value, list) and len(value) == 1:
        return f"write `{what}: {value[0].value}`"
    if isinstance(type_, inspect.EnumType | inspect.LiteralType):
        return did_you_mean(str(value), _members(type_))
    if isinstance(type_, inspect.StrType) and type_.pattern:
        return TYPE_HINT if "decimal" in type_.pattern else "use lower case letters, digits and _, beginning with a letter"
    if isinstance(type_, inspect.StrType) and isinstance(value, bool | int | float):
        return "put it in quotes"
    if isinstance(type_, inspect.IntType) and type_.ge is not None and type_.ge == type_.le:
        return f"this c360 reads version {type_.ge}"
    if isinstance(type_, inspect.IntType) and type_.ge is not None:
        return f"use a whole number from {type_.ge} on"
    if isinstance(type_, inspect.FloatType) and type_.gt is not None and type_.lt is not None:
        return f"use a number between {type_.gt:g} and {type_.lt:g}"
    if isinstance(type_, inspect.FloatType) and type_.gt is not None and type_.le is not None:
        return f"use a number above {type_.gt:g}, up to {type_.le:g}"
    if isinstance(type_, inspect.FloatType) and type_.ge is not None and type_.lt is not None:
        return f"use a number from {type_.ge:g} to below {type_.lt:g}"
    return ""


TYPE_HINT = "use text, integer, double, decimal(18,2), boolean, date, timestamp or json"


def _shown(value: Any) -> str:
    names = {dict: "a mapping", list: "a list", type(None): "empty"}
    if isinstance(value, enum.Enum):
        value = value.value
    return names.get(type(value)) or f"`{value}`"
