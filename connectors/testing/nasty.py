"""Values on which sources and DuckDB have been seen to disagree, per kind of column."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

import pyarrow as pa

TEXTS = (
    "",
    " ",
    "a",
    "A",
    "abc",
    "ABC",
    "Abc",
    "abc ",
    " abc",
    "abc  ",
    "a_c",
    "a%c",
    "axc",
    "ab",
    "b",
    "B",
    "z",
    "Z",
    "_",
    "%",
    "a\\b",
    "\\",
    "\\%",
    "ä",
    "Ä",
    "a\u0308",
    "ß",
    "ss",
    "SS",
    "ẞ",
    "İ",
    "i",
    "I",
    "ı",
    "i̇",
    "Σ",
    "σ",
    "ς",
    "K",
    "k",
    "\u212a",
    "ﬁ",
    "fi",
    "é",
    "e\u0301",
    "\u00a0abc",
    "abc\u00a0",
    "\u200b",
    "日本",
    "😀",
    "👩‍👧",
    "a\nb",
    "a\tb",
    "'",
    "''",
    '"',
    "{",
    "}",
    "{a,b}",
    "NULL",
    "null",
    ",",
    "a,b",
    "$1",
    "?",
    ":v0",
    "*",
    "a*",
    "[a]",
    "[",
    "]",
    "^",
    "0",
    "1",
    "01",
    "1.0",
    "1e2",
    "true",
    "2024-01-01",
    "nan",
    "\x01",
    "\x010",
    "x" * 300,
)
_PLAIN = ("", "a", "A", "abc", "ABC", "abc b", "ä", "Ä", "ß", "b", "B", "z", "_", "%", "a_c", "a%c", "é", "日本", "'", "a\\b")

_DECIMALS = "0.00 0.01 -0.01 0.10 1.10 1.00 19.99 100.00 -100.00 0.30 90071992547.41 99999999999.99"
_DOUBLES = (
    0.0,
    -0.0,
    0.1,
    0.3,
    0.1 + 0.2,
    1.0,
    -1.0,
    1.5,
    1e300,
    -1e300,
    5e-324,
    math.inf,
    -math.inf,
    math.nan,
    2.0**53,
    2.0**53 + 2,
    1e16,
)
_DATES = "0001-01-01 1582-10-10 1900-02-28 1970-01-01 2000-02-29 2024-02-29 2024-03-10 2024-10-03 2024-12-31 2025-01-01 9999-12-31"
_TIMES = """0001-01-01 00:00:00, 1969-12-31 23:59:59.999999, 1970-01-01 00:00:00, 2024-02-29 12:00:00, 2024-02-29 12:00:00.5,
    2024-02-29 23:59:59.999999, 2024-03-01 00:00:00, 2024-03-10 02:30:00, 2024-10-27 01:30:00.123456, 9999-12-31 23:59:59"""
_INSTANTS = """1970-01-01 00:00:00+00:00, 2024-02-29 12:00:00+00:00, 2024-02-29 23:30:00-05:00, 2024-03-10 02:30:00-05:00,
    2024-03-31 01:00:00.000001+00:00, 2024-10-27 02:30:00+02:00, 2024-10-27 02:30:00+01:00, 9999-12-30 23:59:59+00:00"""
_UUIDS = (
    "00000000-0000-0000-0000-000000000000", "123e4567-e89b-12d3-a456-426614174000", "ffffffff-ffff-ffff-ffff-ffffffffffff",
    "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
)  # fmt: skip

NASTY: Mapping[str, tuple[object, ...]] = {
    "int": (0, 1, -1, 2, 10, 255, -128, 2**31 - 1, 2**31, -(2**31), 2**53, 2**53 + 1, 2**53 - 1, 2**63 - 1, -(2**63), 42),
    "decimal": tuple(map(Decimal, _DECIMALS.split())),
    "double": _DOUBLES,
    "bool": (True, False),
    "text": TEXTS,
    "text_locale": TEXTS,
    "text_ci": TEXTS,
    "char": _PLAIN,
    "enum": ("new", "New", "active", "closed", "b", "a", "é"),
    "uuid": _UUIDS,
    "date": tuple(map(dt.date.fromisoformat, _DATES.split())),
    "timestamp": tuple(dt.datetime.fromisoformat(t.strip()) for t in _TIMES.split(",")),
    "timestamptz": tuple(dt.datetime.fromisoformat(t.strip()).astimezone(dt.UTC) for t in _INSTANTS.split(",")),
    "json": ('{"a": 1, "b": 2}', "[]", '"x"', "null", "1.0"),
    "bytes": (b"", b"abc", b"\x00\xff"),
    "opaque": ("1.5", "10", "-3.25"),
    "mixed": ("three", 3, 3.5, "x3", "", "ä", -1),
}
"""What a column of that kind may hold; NULL comes on top. `opaque` are numbers without a scale;
`mixed` is what a column without a strict type ends up with."""

VALUE_TYPES: Mapping[str, tuple[pa.DataType, ...]] = {
    "int": (pa.int64(), pa.int32()),
    "decimal": (pa.decimal128(18, 2), pa.decimal128(38, 6), pa.int64()),
    "double": (pa.float64(), pa.int64(), pa.decimal128(18, 2)),
    "float": (pa.float64(), pa.int64()),
    "bool": (pa.bool_(),),
    "date": (pa.date32(),),
    "timestamp": (pa.timestamp("us"),),
    "timestamptz": (pa.timestamp("us", "UTC"),),
}
"""The types a value compared with a column of that kind may have; text where a kind is not named."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A column to be made at a source: its kind and its values, None for NULL. `nullable` False asks for NOT NULL."""

    kind: str
    values: tuple[object, ...]
    nullable: bool = True


Made = Mapping[str, Sample]
"""A table to be made: columns by name, all of one length; the first is the primary key."""


def nasty(kind: str, pool: tuple[object, ...]) -> Made:
    """A table (id, v, w): `v` holds every value of the pool and NULLs, `w` the same in another order."""
    values = (*pool, None, None)
    turned = (*values[3:], *values[:3])
    half = len(values) // 2
    both = (*values, *values)
    w = (*turned, *values[:half], *turned[half:])
    return {"id": Sample("int", tuple(range(1, len(both) + 1)), False), "v": Sample(kind, both), "w": Sample(kind, w)}
