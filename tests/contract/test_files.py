"""Parquet, CSV and JSON files, run through the contract."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import ClassVar

import duckdb
import pyarrow as pa
import pytest

from connectors.files import connect
from connectors.spi import Connector
from connectors.testing import ConnectorContract, Made
from connectors.testing.contract import Make

ARROW = {
    "int": pa.int64(), "decimal": pa.decimal128(18, 2), "double": pa.float64(), "float": pa.float32(), "bool": pa.bool_(),
    "text": pa.string(), "date": pa.date32(), "timestamp": pa.timestamp("us"), "timestamptz": pa.timestamp("us", "UTC"),
    "bytes": pa.binary(),
}  # fmt: skip
SQL = {
    "int": "BIGINT", "decimal": "DECIMAL(18,2)", "double": "DOUBLE", "float": "FLOAT", "bool": "BOOLEAN", "text": "VARCHAR",
    "date": "DATE", "timestamp": "TIMESTAMP", "timestamptz": "TIMESTAMPTZ",
    "uuid": "UUID", "json": "JSON", "bytes": "BLOB",
}  # fmt: skip


class FilesContract(ConnectorContract):
    """What the formats have in common."""

    suffix: ClassVar[str]

    @classmethod
    def pool(cls, kind: str) -> tuple[object, ...]:
        if kind == "float":
            return tuple(v for v in super().pool("double") if v not in (1e300, -1e300, 5e-324))
        return super().pool(kind)

    @classmethod
    def stored(cls, kind: str, value: object) -> object:
        return pa.scalar(value, pa.float32()).as_py() if kind == "float" else value

    @pytest.fixture(scope="class")
    @classmethod
    def folder(cls, tmp_path_factory: pytest.TempPathFactory) -> Path:
        return tmp_path_factory.mktemp("files")

    @pytest.fixture(scope="class")
    @classmethod
    def drop_table(cls, folder: Path) -> Callable[[str], None]:
        return lambda table: (folder / f"{table}{cls.suffix}").unlink()

    @pytest.fixture
    def unreachable(self, tmp_path: Path) -> Connector:
        return connect("lake", {"path": str(tmp_path / "nowhere")})

    @pytest.fixture(scope="class")
    @classmethod
    def make(cls, folder: Path) -> Make:
        def make(tables: Mapping[str, Made]) -> Connector:
            for name, made in tables.items():
                cls.write(folder / f"{name}{cls.suffix}", made)
            return connect("lake", cls.options(folder, tables))

        return make

    @classmethod
    def write(cls, path: Path, made: Made) -> None:
        raise NotImplementedError

    @classmethod
    def options(cls, folder: Path, tables: Mapping[str, Made]) -> dict[str, object]:
        return {"path": str(folder)}


def copy(path: Path, made: Made, options: str) -> None:
    """Write a table with DuckDB, in the types of SQL."""
    with duckdb.connect() as db:
        db.execute("SET TimeZone = 'UTC'")
        db.register("made", pa.table({c: pa.array(s.values, ARROW.get(s.kind, pa.string())) for c, s in made.items()}))
        columns = ", ".join(f'CAST("{c}" AS {SQL[s.kind]}) AS "{c}"' for c, s in made.items())
        db.execute(f"COPY (SELECT {columns} FROM made) TO '{path}' ({options})")


class TestParquet(FilesContract):
    kinds = frozenset(SQL)
    suffix = ".parquet"

    @classmethod
    def write(cls, path: Path, made: Made) -> None:
        copy(path, made, "FORMAT parquet, ROW_GROUP_SIZE 2048")


class TestCsv(FilesContract):
    kinds = frozenset(SQL)
    suffix = ".csv"

    @classmethod
    def write(cls, path: Path, made: Made) -> None:
        copy(path, made, "FORMAT csv, HEADER, FORCE_QUOTE *")

    @classmethod
    def stored(cls, kind: str, value: object) -> object:
        return None if value in ("", b"") else super().stored(kind, value)

    @classmethod
    def options(cls, folder: Path, tables: Mapping[str, Made]) -> dict[str, object]:
        return {"tables": declared(folder, tables, cls.suffix)}

    @pytest.fixture(scope="class")
    @classmethod
    def drop_table(cls) -> None:
        """A table that the project file names stays listed."""


class TestJson(FilesContract):
    kinds = frozenset(SQL) - {"bytes"}
    suffix = ".json"

    @classmethod
    def pool(cls, kind: str) -> tuple[object, ...]:
        values = super().pool(kind)
        return tuple(v for v in values if not (isinstance(v, float) and not math.isfinite(v)))  # JSON has no such numbers

    @classmethod
    def stored(cls, kind: str, value: object) -> object:
        if kind == "json" and isinstance(value, str):
            return None if value == "null" else json.dumps(json.loads(value), separators=(",", ":"))
        return super().stored(kind, value)

    @classmethod
    def write(cls, path: Path, made: Made) -> None:
        copy(path, made, "FORMAT json")

    @classmethod
    def options(cls, folder: Path, tables: Mapping[str, Made]) -> dict[str, object]:
        return {"tables": declared(folder, tables, cls.suffix)}

    @pytest.fixture(scope="class")
    @classmethod
    def drop_table(cls) -> None:
        """A table that the project file names stays listed."""


def declared(folder: Path, tables: Mapping[str, Made], suffix: str) -> dict[str, object]:
    return {n: {"path": str(folder / f"{n}{suffix}"), "columns": {c: SQL[s.kind] for c, s in t.items()}} for n, t in tables.items()}
