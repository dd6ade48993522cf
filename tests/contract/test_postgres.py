"""PostgreSQL, run through the contract twice (code point order and ICU en-US), and what is particular to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal

import pyarrow as pa
import pytest

from connectors.postgres import connect
from connectors.spi import Connector
from connectors.testing import ConnectorContract, Made
from connectors.testing.contract import Make
from tests.support.faults import FaultProxy
from tests.support.postgres import TestPostgres, server, server_with_locales

NATIVE = {
    "int": "bigint", "decimal": "numeric(14, 2)", "double": "float8", "float": "float4", "bool": "boolean", "text": 'text COLLATE "C"',
    "char": "char(8)", "enum": "status", "uuid": "uuid", "date": "date",
    "timestamp": "timestamp", "timestamptz": "timestamptz", "json": "jsonb", "bytes": "bytea", "opaque": "numeric",
}  # fmt: skip
ENUM = ("CREATE TYPE status AS ENUM ('new', 'New', 'active', 'closed', 'b', 'a', 'é')",)


def literal(value: object) -> str:
    """A value as SQL text for loading (not the way c360 sends values)."""
    match value:
        case None:
            return "NULL"
        case bytes():
            return f"'\\x{value.hex()}'"
        case bool() | int() | float() | Decimal() | str() | datetime():
            return "'" + str(value).replace("'", "''") + "'"
    return f"'{value}'"


def load(postgres: TestPostgres, database: str, tables: Mapping[str, Made], native: Mapping[str, str]) -> None:
    for name, made in tables.items():
        columns = ", ".join(f'"{c}" {native[s.kind]}{"" if s.nullable else " NOT NULL"}' for c, s in made.items())
        postgres.psql(database, f'CREATE TABLE "{name}" ({columns}, PRIMARY KEY ("{next(iter(made))}"))')
        rows = list(zip(*(map(literal, s.values) for s in made.values()), strict=True))
        for start in range(0, len(rows), 1500):
            values = ", ".join(f"({', '.join(row)})" for row in rows[start : start + 1500])
            postgres.psql(database, f'INSERT INTO "{name}" VALUES {values}')
    postgres.psql(database, "ANALYZE")


class TestPostgresContract(ConnectorContract):
    kinds = frozenset(NATIVE)
    elsewhere = frozenset({"text_locale", "text_ci"})
    native: Mapping[str, str] = NATIVE
    types: tuple[str, ...] = ENUM
    server = staticmethod(server)
    secret = "tiger-7"

    @pytest.fixture(scope="class")
    @classmethod
    def database(cls) -> str:
        return cls.server().database(*cls.types)

    @pytest.fixture(scope="class")
    @classmethod
    def make(cls, database: str) -> Iterator[Make]:
        made: list[Connector] = []

        def make(tables: Mapping[str, Made]) -> Connector:
            load(cls.server(), database, tables, cls.native)
            uri = cls.server().uri(database, password=cls.secret, tcp=True)
            made.append(connect("crm", {"uri": uri, "connections": 8}))
            return made[0]

        yield make
        made[0].close()

    @classmethod
    def pool(cls, kind: str) -> tuple[object, ...]:
        return (1.5, -2.0, 0.1) if kind == "float" else super().pool(kind)

    @classmethod
    def stored(cls, kind: str, value: object) -> object:
        if kind == "char":
            return str(value).rstrip(" ")
        return pa.scalar(value, pa.float32()).as_py() if kind == "float" else value

    @pytest.fixture(scope="class")
    @classmethod
    def drop_table(cls, database: str) -> Callable[[str], None]:
        return lambda table: (cls.server().psql(database, f'DROP TABLE "{table}"'), None)[1]

    @pytest.fixture
    def unreachable(self) -> Connector:
        return connect("crm", {"uri": f"postgresql://postgres:{self.secret}@127.0.0.1:1/x"})

    @pytest.fixture
    def wrong_login(self, database: str) -> Connector:
        return connect("crm", {"uri": self.server().uri(database, user="nobody_of_that_name", password=self.secret, tcp=True)})

    @pytest.fixture
    def stalled(self, source: Connector, database: str) -> Iterator[tuple[Connector, Callable[[], None]]]:
        with FaultProxy(self.server().port) as proxy:
            connector = connect("crm", {"uri": self.server().uri(database, port=proxy.port)})
            yield connector, proxy.stall
            connector.close()


class TestPostgresWithLocales(TestPostgresContract):
    """Databases that sort by ICU en-US: the default collation is no longer DuckDB's order, and some call different texts equal."""

    native = NATIVE | {"text_locale": "varchar", "text_ci": "text COLLATE ci"}
    kinds = frozenset({"char", "text_locale", "text_ci"})
    elsewhere = frozenset(NATIVE) - kinds  # on these no collation bears, or one of their own: TestPostgresContract proves them
    types = (*ENUM, "CREATE COLLATION ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false)")
    server = staticmethod(server_with_locales)
