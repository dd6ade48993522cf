"""JSON to Arrow and back to query parameters. A value that does not fit its declared type is an error, never a NULL."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from decimal import Decimal

import msgspec
import pyarrow as pa

from connectors.rest.table import RestColumn, RestTable
from connectors.spi.errors import SchemaDrift, UnmappedType

_decode = msgspec.json.Decoder(float_hook=Decimal).decode
_encode = msgspec.json.Encoder(decimal_format="number").encode


def decoded(body: bytes) -> object:
    """The answer as Python values, numbers with a fraction as Decimal. Raises msgspec.DecodeError."""
    return _decode(body)


def follow(value: object, way: Sequence[str]) -> object:
    """What lies at the end of a way of field names, None if it does not go that far."""
    for name in way:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def items(source: str, table: RestTable, answer: object, *, lone: bool = False) -> list[dict[str, object]]:
    """The rows of an answer. `lone`: one object is asked for. Raises SchemaDrift if they are not where they should be."""
    found = follow(answer, table.items)
    if lone and not isinstance(found, (dict, list)):
        found = answer
    if lone and isinstance(found, dict):
        found = [found]
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        place = ".".join(table.items) or "the answer itself"
        message = f"{source}.{table.table.name}: no list of objects where the rows should be ({place})"
        raise SchemaDrift(source, message, hint="compare `items` with what the API answers")
    return found


def batch(source: str, table: RestTable, rows: list[dict[str, object]], columns: tuple[str, ...]) -> pa.RecordBatch:
    """The rows as Arrow, in the declared types. A field that is absent is NULL, except in the key."""
    arrays = []
    for name in columns:
        column = table.column(name)
        try:
            values = [_value(follow(row, column.way), column) for row in rows]
            arrays.append(pa.array(values, column.type))
        except (TypeError, ValueError, ArithmeticError, pa.ArrowException) as error:
            message = f"{source}.{table.table.name}.{name}: a value does not fit {column.native}"
            raise UnmappedType(source, message, hint="declare the type that the API has (JSON takes anything)") from error
        if name in table.table.key and arrays[-1].null_count:
            message = f"{source}.{table.table.name}.{name}: a row has no key"
            raise SchemaDrift(source, message, hint="compare `columns` with what the API answers")
    return pa.RecordBatch.from_arrays(arrays, schema=table.table.arrow_schema(columns))


def _value(value: object, column: RestColumn) -> object:
    return None if value is None else _CONVERT.get(column.kind, _text)(value)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _integer(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, Decimal)) or value != int(value):
        raise TypeError
    return int(value)


def _decimal(value: object) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, (int, Decimal, str)):
        raise TypeError
    return Decimal(value)  # many APIs write money as a string, so that no client makes a float of it


def _double(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, Decimal)):
        raise TypeError
    return float(value)


def _boolean(value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError
    return value


def _date(value: object) -> dt.date:
    return dt.date.fromisoformat(_text(value))


def _naive(value: object) -> dt.datetime:
    found = dt.datetime.fromisoformat(_text(value))
    if found.tzinfo is not None:
        raise ValueError
    return found


def _instant(value: object) -> dt.datetime:
    found = dt.datetime.fromisoformat(_text(value))
    if found.tzinfo is None:
        raise ValueError  # whose noon? declare TIMESTAMP, and the table's `timezone`
    return found.astimezone(dt.UTC)


_CONVERT: dict[str, Callable[[object], object]] = {
    "int": _integer, "decimal": _decimal, "double": _double, "bool": _boolean, "date": _date, "timestamp": _naive,
    "timestamptz": _instant, "json": lambda value: _encode(value).decode(),
}  # fmt: skip


def written(value: object) -> str:
    """A value as it stands in a query parameter or a path: ISO 8601, UTC with a Z."""
    match value:
        case bool():
            return "true" if value else "false"
        case dt.datetime():
            return (value.astimezone(dt.UTC) if value.tzinfo else value).isoformat().replace("+00:00", "Z")
        case dt.date():
            return value.isoformat()
        case Decimal():
            return format(value, "f")
    return str(value)
