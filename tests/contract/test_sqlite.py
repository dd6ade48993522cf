"""SQLite, run through the contract, and what is particular to it."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from connectors.spi import Connector
from connectors.sqlite import connect
from connectors.testing import ConnectorContract, Made
from connectors.testing.contract import Make

NATIVE = {
    "int": "BIGINT", "decimal": "DECIMAL(14, 2)", "double": "REAL", "bool": "BOOLEAN", "text": "TEXT COLLATE NOCASE", "date": "DATE",
    "timestamp": "TIMESTAMP", "json": "JSON", "bytes": "BLOB", "opaque": "NUMERIC", "mixed": "INTEGER",
}  # fmt: skip


def write(path: Path, tables: Mapping[str, Made]) -> None:
    """Make a SQLite file of these tables. Text columns are NOCASE on purpose: the declared collation must not decide."""
    with sqlite3.connect(path) as db:
        for name, made in tables.items():
            columns = ", ".join(f'"{c}" {NATIVE[s.kind]}{"" if s.nullable else " NOT NULL"}' for c, s in made.items())
            db.execute(f'CREATE TABLE "{name}" ({columns}, PRIMARY KEY ("{next(iter(made))}"))')
            rows = zip(*([_native(v) for v in s.values] for s in made.values()), strict=True)
            db.executemany(f'INSERT INTO "{name}" VALUES ({", ".join("?" * len(made))})', rows)
    db.close()


def _native(value: object) -> object:
    match value:
        case Decimal():
            return float(value)
        case datetime():
            return value.isoformat("T" if value.second else " ")  # both forms are met in the wild
        case date():
            return value.isoformat()
    return value


class TestSqlite(ConnectorContract):
    kinds = frozenset(NATIVE)

    @pytest.fixture(scope="class")
    @classmethod
    def path(cls, tmp_path_factory: pytest.TempPathFactory) -> Path:
        return tmp_path_factory.mktemp("sqlite") / "source.db"

    @pytest.fixture(scope="class")
    @classmethod
    def make(cls, path: Path) -> Make:
        def make(tables: Mapping[str, Made]) -> Connector:
            write(path, tables)
            return connect("shop", {"path": str(path)})

        return make

    @classmethod
    def pool(cls, kind: str) -> tuple[object, ...]:
        values = super().pool(kind)
        return tuple(v for v in values if v != "1.0") if kind == "json" else values  # a column declared JSON would make it a number

    @classmethod
    def stored(cls, kind: str, value: object) -> object:
        if isinstance(value, float) and math.isnan(value) and kind == "double":
            return None  # SQLite keeps NaN as NULL
        return str(value) if kind == "mixed" else value

    @pytest.fixture(scope="class")
    @classmethod
    def drop_table(cls, path: Path) -> Callable[[str], None]:
        def drop(table: str) -> None:
            with sqlite3.connect(path) as db:
                db.execute(f'DROP TABLE "{table}"')

        return drop

    @pytest.fixture
    def unreachable(self, tmp_path: Path) -> Connector:
        return connect("shop", {"path": str(tmp_path / "nowhere.db")})
