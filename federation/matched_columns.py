"""Whether what a mapping gives can be matched at all: columns of a type that is no name, no date, no number; rows that do not fit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pyarrow as pa
from sqlglot import exp

from connectors.spi import Column
from federation.errors import AttributeType, MappingFailed
from federation.findings import NOTE, Finding
from federation.halt import cause_of
from identity.column_fit import EXPECTED, article, sampled_fits, taken_for
from identity.engines import kinds_of
from identity.model import MatchKey, RecordSet
from identity.probabilistic.kinds import Kind
from views.model import Mapping, Model

if TYPE_CHECKING:
    from federation.project import Project

_NUMBERED = (Kind.POSTCODE, Kind.HOUSE_NUMBER, Kind.IDENTIFIER)
_MOMENTS = ("bool", "date", "time", "timestamp", "timestamptz")
_FROM_MOMENTS = (Kind.BIRTH_DATE, Kind.BIRTH_YEAR, Kind.BIRTH_MONTH, Kind.BIRTH_DAY, Kind.GENDER, Kind.TEXT)
_AS_WRITTEN = (Kind.IDENTIFIER, Kind.TEXT)
"""Kinds that are compared as they are written, whatever that is."""


Reading = Callable[[tuple[str, ...]], Callable[[], pa.RecordBatchReader]]
"""What opens a stream of some attributes of one mapping."""


def matched_keys(model: Model, entity: str, stored: dict[str, dict[str, MatchKey]]) -> tuple[tuple[MatchKey, ...], dict[MatchKey, Kind]]:
    """What is compared of an entity, in its normal forms; and what its model takes that for. `stored` are identifiers to be kept."""
    weighed = model.models.get(entity)
    kinds = kinds_of(weighed)
    keys = [*kinds, *(weighed.must_not if weighed else ()), *(p for rule in model.rules.get(entity, ()) for p in rule.parts)]
    keys += [limit.key for limit in model.at_most.get(entity, ())]
    return tuple(dict.fromkeys([*keys, *stored.get(entity, {}).values()])), kinds


def refuse_types(project: Project, mapping: Mapping, stored: dict[str, dict[str, MatchKey]]) -> None:
    """Look at the types of columns, and read nothing. Raises AttributeType, if one that is matched cannot be what it is mapped as."""
    taken = taken_for(*matched_keys(project.model, mapping.object, stored))
    for name, expression in mapping.attributes.items():
        column = column_of(project, mapping, expression)
        kind = taken[name][1] if name in taken else Kind.TEXT
        if column is None or kind in _AS_WRITTEN or not (what := _no_value(column)):
            continue
        place = mapping.places.get(name, mapping.location)
        expected = EXPECTED[kind]
        raise AttributeType(
            f"{place}: `{column.name}` of {mapping.source}.{mapping.table} is {column.native} ({what}), and `{name}` is matched as "
            f"{article(expected)} {expected}",
            hint=_instead(column, what),
        )


_FITTING = "map the column that has them; or have what stands for none left out: nullif(COLUMN, 'n/a')"


def column_of(project: Project, mapping: Mapping, expression: exp.Expr) -> Column | None:
    """The column that an attribute is, if it is nothing but a column."""
    if not isinstance(expression, exp.Column):
        return None
    columns = project.source(mapping.source).table(mapping.table).columns
    return next((c for c in columns if c.name.lower() == expression.name.lower()), None)


def _no_value(column: Column) -> str:
    """What a column holds instead of one value; "" if each row has one."""
    native = column.native.upper()
    if column.kind == "bytes":
        return "bytes"
    if native.endswith("]") or native.startswith(("ARRAY", "LIST")):
        return "a list"
    return "a structure" if column.kind == "json" else ""


def _instead(column: Column, what: str) -> str:
    if what == "bytes":
        return f"map the text in it: decode({column.name}) if it is UTF-8; or take the attribute out of the mapping"
    path = "$[0]" if what == "a list" else "$.field"
    return f"map one value of it, such as json_extract_string({column.name}, '{path}'); or take the attribute out of the mapping"


def unfit(project: Project, mapping: Mapping, stored: dict[str, dict[str, MatchKey]], rows: pa.Table, *, whole: bool) -> Iterator[Finding]:
    """Attributes that are matched and have no value, or other values than they are taken for, in some rows (`whole`: in all)."""
    keys, kinds = matched_keys(project.model, mapping.object, stored)
    names = tuple(dict.fromkeys(k.attribute for k in keys if k.attribute in mapping.attributes))
    place = f"{mapping.source}.{mapping.table}"
    records = RecordSet(mapping.object, mapping.space, mapping.source, mapping.table, (), names, lambda: rows.to_reader())
    for fit in sampled_fits(records, rows, keys, kinds):
        at = mapping.places.get(fit.attribute, mapping.location)
        some = f"{'its' if whole else 'the first'} {fit.records:,} rows"
        column = column_of(project, mapping, mapping.attributes[fit.attribute])
        if fit.empty:
            if not isinstance(mapping.attributes[fit.attribute], exp.Null):
                said = f"{at}: `{fit.attribute}` has no value in {some}, so it is not compared"
                yield Finding(NOTE, "C360_EMPTY_ATTRIBUTE", place, said, "map the column that has it, or take it out of the mapping")
        elif fit.doubtful:
            share = f"{fit.values - fit.fitting:,} of {fit.values:,} values in {some} are no {fit.expected}"
            type_ = f" (the column `{column.name}` is {column.native})" if column is not None and column.native else ""
            yield Finding(NOTE, "C360_UNFIT_VALUES", place, f"{at}: `{fit.attribute}`: {share}{type_}", _FITTING)
        elif column is not None and column.kind in ("double", "float") and Kind(fit.kind) in _NUMBERED:
            said = f"{at}: `{fit.attribute}` is {column.native}: 12345 is read as 12345.0, which is no {fit.expected}"
            yield Finding(NOTE, "C360_UNFIT_VALUES", place, said, f"write CAST({column.name} AS BIGINT)")
        elif column is not None and column.kind in _MOMENTS and Kind(fit.kind) not in _FROM_MOMENTS:
            said = f"{at}: `{fit.attribute}` is matched as {article(fit.expected)} {fit.expected}, and the column `{column.name}` is "
            yield Finding(NOTE, "C360_UNFIT_VALUES", place, said + column.native, "map the column that has them")


def naming(project: Project, mapping: Mapping, reading: Reading, attributes: tuple[str, ...]) -> Callable[[], pa.RecordBatchReader]:
    """A reading of `attributes` that says which of them a row does not fit, should one not: then each is read by itself to find out."""

    def read() -> pa.RecordBatchReader:
        try:
            stream = reading(attributes)()
        except MappingFailed as error:
            named = _named(project, mapping, reading, attributes) or error
            raise named from cause_of(named, error)
        return pa.RecordBatchReader.from_batches(stream.schema, batches(stream))

    def batches(stream: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
        try:
            yield from stream
        except MappingFailed as error:
            named = _named(project, mapping, reading, attributes) or error
            raise named from cause_of(named, error)

    return read


def _named(project: Project, mapping: Mapping, reading: Reading, attributes: tuple[str, ...]) -> MappingFailed | None:
    types = {name: project.model.objects[mapping.object].attributes[name].type for name in attributes}
    for name in sorted((n for n in attributes if n in mapping.attributes), key=lambda n: types[n] == "VARCHAR"):
        try:
            for _ in reading((name,))():
                pass
        except MappingFailed:
            place = mapping.places.get(name, mapping.location)
            hint = f"map another column, or TRY_CAST(… AS {types[name]}), which makes NULL of what does not fit"
            return MappingFailed(f"{place}: `{name}` of {mapping.source}.{mapping.table} does not fit {types[name]} in a row", hint=hint)
    return None
