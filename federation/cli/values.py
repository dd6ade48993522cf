"""Values as text: for a table, for CSV and for JSON. Dates are ISO, decimals exact, and nothing goes through a float."""

from __future__ import annotations

import base64
import datetime as dt
import json
import math
import uuid
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any

import pyarrow as pa

from federation.python_values import values_of


def rows_of(batch: pa.RecordBatch) -> Iterator[tuple[Any, ...]]:
    """The rows of a batch as Python values. By position: an answer may hold two columns of one name."""
    return zip(*(values_of(c) for c in batch.columns), strict=True) if batch.num_columns else iter([()] * batch.num_rows)


def _duration(value: pa.MonthDayNano) -> str:
    """An interval as ISO 8601 has it.

    >>> _duration(pa.MonthDayNano([14, 3, 1_500_000_000])), _duration(pa.MonthDayNano([0, 0, 0]))
    ('P14M3DT1.5S', 'PT0S')
    """
    months, days, nanoseconds = value
    date = (f"{months}M" if months else "") + (f"{days}D" if days else "")
    seconds = format((Decimal(nanoseconds) / 10**9).normalize(), "f")
    return f"P{date}" + (f"T{seconds}S" if nanoseconds or not date else "")


def unique(names: Iterable[str]) -> list[str]:
    """Names as keys: the second `a` becomes `a_2`.

    >>> unique(["a", "b", "a"])
    ['a', 'b', 'a_2']
    """
    found: dict[str, None] = {}
    for name in names:
        key, count = name, 1
        while key in found:
            count += 1
            key = f"{name}_{count}"
        found[key] = None
    return list(found)


def jsonable(value: Any) -> Any:
    """A value as JSON has it. A decimal is a string: a JSON number is a float to most who read it.

    >>> jsonable({"a": Decimal("1.10"), "at": dt.date(2024, 5, 1), "x": float("nan"), "b": b"hi"})
    {'a': '1.10', 'at': '2024-05-01', 'x': 'NaN', 'b': 'aGk='}
    """
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
        case pa.MonthDayNano():
            return plain(value)
        case dict():
            return {k if isinstance(k, str) else str(jsonable(k)): jsonable(v) for k, v in value.items()}
        case list() | tuple():
            return [jsonable(v) for v in value]
        case bytes():
            return base64.b64encode(value).decode()
    return plain(value)


def plain(value: Any) -> str:
    """A value as a person or a spreadsheet reads it; NULL is ''.

    >>> plain(True), plain(dt.datetime(2024, 5, 1, 10, 30)), plain([1, None]), plain(Decimal("0E-10"))
    ('true', '2024-05-01T10:30:00', '[1, null]', '0.0000000000')
    """
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case dt.datetime() | dt.date() | dt.time():
            return value.isoformat()
        case Decimal():
            return format(value, "f")
        case float():
            return repr(value)
        case pa.MonthDayNano():
            return _duration(value)
        case dict() | list() | tuple():
            return json.dumps(jsonable(value), ensure_ascii=False)
        case bytes():
            return "\\x" + value.hex()
        case uuid.UUID():
            return str(value)
    return str(value)
