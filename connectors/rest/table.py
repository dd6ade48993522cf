"""What is known of one table of an API, and which predicates its parameters can carry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pyarrow as pa
from sqlglot import exp

from connectors.spi.capabilities import Capabilities, Judgement, Support, shape_of
from connectors.spi.schema import Column, Table


@dataclass(frozen=True, slots=True)
class RestColumn(Column):
    """`way`: the way of field names to its value in an item. `parameters`: the query parameter per operator that the API filters it by."""

    way: tuple[str, ...] = ()
    parameters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Lookup:
    """How to ask for keys: in a parameter, `batch` of them at a time, or in the path, one at a time."""

    columns: tuple[str, ...]
    param: str = ""
    batch: int = 1
    separator: str = ","
    path: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """How an answer goes on. `style` is '' (it does not), cursor, page or offset."""

    style: str = ""
    param: str = ""
    next: tuple[str, ...] = ()
    start: int = 1
    size_param: str = ""
    size: int = 0


@dataclass(frozen=True, slots=True)
class RestTable:
    """A table of an API. `path` is relative to the base URL, `items` the way to the rows in an answer."""

    table: Table
    path: str
    items: tuple[str, ...] = ()
    lookups: tuple[Lookup, ...] = ()
    page: Page = Page()

    def column(self, name: str) -> RestColumn:
        column = self.table.column(name)
        assert isinstance(column, RestColumn)
        return column

    def lookup(self, columns: tuple[str, ...]) -> Lookup | None:
        return next((lookup for lookup in self.lookups if lookup.columns == columns), None)


_COVERED_BY: Mapping[type[exp.Expr], tuple[str, ...]] = {
    exp.EQ: ("=",), exp.LT: ("<", "<="), exp.LTE: ("<=",), exp.GT: (">", ">="), exp.GTE: (">=",),
}  # fmt: skip
"""The operators of an API whose answer holds every row that a comparison keeps, the narrowest first."""


def parameter(atom: exp.Expr, column: Column) -> str | None:
    """The query parameter that narrows to (at least) the rows of `column <operator> value`, or None."""
    if not isinstance(column, RestColumn):
        return None
    operators = _COVERED_BY.get(type(atom), ())
    return next((column.parameters[operator] for operator in operators if operator in column.parameters), None)


@dataclass(frozen=True, slots=True)
class RestCapabilities(Capabilities):
    """What an API is asked is decided per column, and never believed to the letter: how it compares is unknown (case, rounding,
    time zones), so that what it returns counts as a superset and is checked again. AND is all the logic it has."""

    def judge(self, predicate: exp.Expr, columns: Mapping[str, Column], params: Mapping[str, pa.DataType]) -> Judgement:
        match predicate:
            case exp.Paren():
                return self.judge(predicate.this, columns, params)
            case exp.And():
                sides = (self.judge(predicate.left, columns, params), self.judge(predicate.right, columns, params))
                emitted = [side.emitted for side in sides if side.emitted is not None]
                reason = sides[0].reason or sides[1].reason
                return Judgement(Support.SUPERSET, exp.and_(*emitted), reason) if emitted else Judgement(Support.LOCAL, reason=reason)
        seen = shape_of(predicate, {name: c.kind for name, c in columns.items()}, params)
        column = columns.get(predicate.this.name) if isinstance(predicate.this, exp.Column) else None
        if seen is None or column is None or not isinstance(predicate.expression, exp.Placeholder):
            return Judgement(Support.LOCAL, reason=f"no API parameter for {predicate.sql('duckdb')}")
        if parameter(predicate, column) is None:
            return Judgement(Support.LOCAL, reason=f"the API has no parameter for {seen.shape} on {column.name}")
        return Judgement(Support.SUPERSET, predicate.copy(), "the API's own comparison is unknown: checked again")
