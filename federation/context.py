"""What a pass may know: schemas, capabilities, the crosswalk and the values of constant expressions. Passes open nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import pyarrow as pa
from sqlglot import exp

from connectors.spi import Capabilities, Statistics, Table
from identity.crosswalk import Crosswalk


@dataclass(frozen=True, slots=True)
class Context:
    """Read-only facts for one planning. `evaluate` gives the value of a constant expression as Arrow, or None if it throws;
    `values` are the bound parameters at planning time, of which a pass may use only the types."""

    table: Callable[[str, str], Table]
    capabilities: Callable[[str], Capabilities]
    statistics: Callable[[str, str], Statistics]
    evaluate: Callable[[exp.Expr, Mapping[str, object]], pa.Scalar | None]
    crosswalk: Crosswalk | None = None
    values: Mapping[str, object] = field(default_factory=dict)


def kind_of(type_: str) -> str:
    """The column kind of an attribute's DuckDB type: what shapes a predicate on it may take.

    >>> kind_of("DECIMAL(18,2)"), kind_of("VARCHAR"), kind_of("STRUCT(a INT)")
    ('decimal', 'text', 'opaque')
    """
    name = type_.split("(")[0].upper()
    return KINDS_OF.get(name, "opaque") if "STRUCT" not in name else "opaque"


KINDS_OF = {
    "VARCHAR": "text", "TEXT": "text", "BIGINT": "int", "INTEGER": "int", "INT": "int", "SMALLINT": "int", "TINYINT": "int",
    "DECIMAL": "decimal", "DOUBLE": "double", "FLOAT": "float", "BOOLEAN": "bool", "DATE": "date", "TIMESTAMP": "timestamp",
    "TIMESTAMP WITH TIME ZONE": "timestamptz", "TIME": "time",
}  # fmt: skip
