"""Small record sets for the tests of identity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from identity.model import KeyColumn, MatchKey, MatchRule, RecordSet

SECRET = b"a secret for tests only"
ATTRIBUTES = ("email", "phone")
RULES = {"individual": tuple(MatchRule(name, (MatchKey(name, name),)) for name in ATTRIBUTES)}


def record_set(
    rows: Sequence[Mapping[str, Any]],
    source: str = "crm",
    table: str = "contact",
    key: Sequence[tuple[str, str]] = (("id", "BIGINT"),),
    attributes: Sequence[str] = ATTRIBUTES,
    entity: str = "individual",
    space: str = "",
    types: Mapping[str, pa.DataType] | None = None,
) -> RecordSet:
    """A record set of `rows` (dicts with k0 … and attributes; absent ones are NULL)."""
    arrow = {"BIGINT": pa.int64(), "VARCHAR": pa.string(), "DATE": pa.date32()}
    schema = pa.schema(
        [(f"k{i}", (types or {}).get(f"k{i}", arrow.get(kind))) for i, (_, kind) in enumerate(key)]
        + [(name, (types or {}).get(name, pa.string())) for name in attributes]
    )
    data = pa.Table.from_pylist([dict(row) for row in rows], schema=schema)
    return RecordSet(entity, space, source, table, tuple(KeyColumn(*k) for k in key), tuple(attributes), data.to_reader)
