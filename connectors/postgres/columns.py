"""Between PostgreSQL's types and Arrow's: how a column is read, and how what arrives becomes the declared type, exactly."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from connectors.decimals import decimals
from connectors.spi import Column

_FEW = 1000  # numpy answers sooner for so many

_SHORT = 18  # digits of a decimal that fit 64 bits

_DAYS = pa.scalar(-719162, pa.int32()), pa.scalar(2932896, pa.int32())  # 0001-01-01 and 9999-12-31
_MICROS = pa.scalar(-62135596800000000, pa.int64()), pa.scalar(253402300799999999, pa.int64())


@dataclass(frozen=True, slots=True)
class Wire:
    """`read` is an SQL expression over the quoted column (`{}`), `type` what the driver delivers for it."""

    read: str
    type: pa.DataType


def wire(column: Column) -> Wire:
    """How a column travels. NUMERIC would arrive as text: up to 18 digits it travels as an integer of its smallest unit instead."""
    if pa.types.is_decimal(column.type):
        if column.type.precision <= _SHORT:
            return Wire(f"({{}} * {10**column.type.scale})::bigint", pa.int64())
        return Wire("{}::text", pa.string())
    if column.kind == "text" and column.native.startswith(("text", "character varying")):
        return Wire("{}", pa.string())
    if pa.types.is_string(column.type):
        return Wire("{}::text", pa.string())
    return Wire("{}", column.type)


def to_arrow(array: pa.Array, column: Column) -> pa.Array:
    """What arrived, as the declared type. Raises ValueError or pa.ArrowInvalid if a value does not fit."""
    if pa.types.is_decimal(column.type):
        return _scaled(array, column.type) if pa.types.is_integer(array.type) else array.cast(column.type)
    if pa.types.is_date(column.type):
        _within(array.view(pa.int32()), *_DAYS)
    elif pa.types.is_timestamp(column.type):
        _within(array.view(pa.int64()), *_MICROS)
    return array


def _within(numbers: pa.Array, low: pa.Scalar, high: pa.Scalar) -> None:
    """The driver shifts PostgreSQL's epoch to Arrow's without a look: infinity wraps round to a date long ago."""
    if not numbers.null_count and len(numbers) < _FEW:
        values = numbers.to_numpy()
        if len(values) and (values.min() < low.as_py() or values.max() > high.as_py()):
            raise ValueError("infinite, or beyond the calendar")
        return
    bounds = pc.min_max(numbers)
    if bounds["min"].is_valid and (bounds["min"].as_py() < low.as_py() or bounds["max"].as_py() > high.as_py()):
        raise ValueError("infinite, or beyond the calendar")


def _scaled(array: pa.Array, type_: pa.Decimal128Type) -> pa.Array:
    """int64 units as decimals."""
    units = (pc.fill_null(array, 0) if array.null_count else array).to_numpy(zero_copy_only=False)
    return decimals(units, array.is_null().to_numpy(zero_copy_only=False) if array.null_count else None, type_)
