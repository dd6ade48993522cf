"""Between SQLite's dynamic values and Arrow's static types, column by column, exactly or not at all."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from connectors.decimals import decimals
from connectors.spi.schema import Column

AS_TEXT = frozenset({"mixed", "opaque"})
"""Kinds read, compared and matched as `CAST(column AS TEXT)`: one expression for all three, so that they agree."""

_EXACT_DECIMAL = 10**15  # a double holds every decimal of up to 15 digits so that it can be told apart and read back


def to_arrow(values: Sequence[object], column: Column) -> pa.Array:
    """One batch of a column as the declared Arrow type. Raises pa.ArrowInvalid, TypeError, ValueError or OverflowError if any value
    does not fit it exactly: a value is never rounded, truncated or turned into NULL."""
    match column.kind:
        case "bool":
            return _booleans(values)
        case "decimal":
            return _decimals(values, column.type)
        case "date" | "timestamp":
            return pa.array(values, pa.string()).cast(column.type)
        case "int" if any(type(v) is float for v in values):
            raise ValueError("a fraction in an integer column")
        case "double" if any(type(v) is int and abs(v) > 2**53 for v in values):
            raise ValueError("an integer that a double cannot hold")
    return pa.array(values, column.type)


def _booleans(values: Sequence[object]) -> pa.Array:
    numbers = pa.array(values, pa.int64())
    bounds = pc.min_max(numbers).as_py()
    if bounds["min"] is not None and (bounds["min"] < 0 or bounds["max"] > 1):
        raise ValueError("a boolean other than 0 and 1")
    return numbers.cast(pa.bool_())


def _decimals(values: Sequence[object], type_: pa.Decimal128Type) -> pa.Array:
    """SQLite keeps a decimal as an integer or a double. A double is taken as the decimal of `scale` digits that it is nearest to,
    and only if it is the double nearest to that decimal, and short enough for that to be unambiguous."""
    if any(v is not None and type(v) not in (int, float) for v in values):
        raise TypeError("not a number")
    missing = np.fromiter((v is None for v in values), bool, len(values))
    numbers = np.array([0.0 if v is None else v for v in values], dtype=np.float64)
    power = float(10**type_.scale)
    scaled = np.rint(numbers * power)
    if not np.all(np.abs(scaled) < min(_EXACT_DECIMAL, 10**type_.precision)) or not np.array_equal(scaled / power, numbers):
        raise ValueError("more digits than declared")
    return decimals(scaled.astype(np.int64), missing, type_)


def bind(value: object, kind: str) -> object:
    """A Python scalar as SQLite must see it to compare as DuckDB does with a column of that kind."""
    match value:
        case None:
            return None
        case bool():
            return int(value)
        case int() if kind != "double" and -(2**63) <= value < 2**63:
            return value
        case int() | float() | Decimal():  # beyond 64 bits a double still lies on the right side of every stored integer
            number = float(value)
            return "NaN" if math.isnan(number) else number  # text sorts above every number, as NaN does in DuckDB; NULL would not
        case dt.datetime():
            return value.isoformat(" ", "microseconds")
        case dt.date():
            return value.isoformat()
    return value
