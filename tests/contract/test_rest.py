"""A REST source, run through the contract against a real HTTP server."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping

import pytest

from connectors.rest import connect
from connectors.spi import Connector
from connectors.testing import ConnectorContract, Made
from connectors.testing.contract import Make
from tests.support.accounts_api import CURSOR, options
from tests.support.rest_server import TOKEN, RestServer, serving

TYPES = {
    "int": "BIGINT", "decimal": "DECIMAL(18,2)", "double": "DOUBLE", "bool": "BOOLEAN", "text": "VARCHAR", "date": "DATE",
    "timestamp": "TIMESTAMP", "timestamptz": "TIMESTAMPTZ", "json": "JSON",
}  # fmt: skip


class TestRest(ConnectorContract):
    kinds = frozenset(TYPES)
    secret = TOKEN

    @classmethod
    def pool(cls, kind: str) -> tuple[object, ...]:
        return tuple(v for v in super().pool(kind) if not (isinstance(v, float) and not math.isfinite(v)))  # JSON has no such numbers

    @classmethod
    def stored(cls, kind: str, value: object) -> object:
        if kind == "json" and isinstance(value, str):
            return None if value == "null" else json.dumps(json.loads(value), separators=(",", ":"))
        return value

    @pytest.fixture(scope="class")
    @classmethod
    def server(cls) -> Iterator[RestServer]:
        with serving({}) as server:
            yield server

    @pytest.fixture(scope="class")
    @classmethod
    def make(cls, server: RestServer) -> Make:
        def make(tables: Mapping[str, Made]) -> Connector:
            for name, made in tables.items():
                server.tables[name] = [
                    {
                        c: json.loads(v) if s.kind == "json" and isinstance(v, str) else v
                        for (c, s), v in zip(made.items(), row, strict=True)
                    }
                    for row in zip(*(s.values for s in made.values()), strict=True)
                ]
            return connect("api", options(server, {name: declared(name, made) for name, made in tables.items()}))

        return make

    @pytest.fixture
    def stalled(self, source: Connector, server: RestServer) -> Iterator[tuple[Connector, Callable[[], None]]]:
        def stall() -> None:
            server.faults.flowing.clear()
            server.faults.fault = lambda path: "stall"

        yield source, stall
        server.faults.fault = lambda path: None
        server.faults.flowing.set()


def declared(name: str, made: Made) -> dict[str, object]:
    return {
        "path": f"/{name}", "columns": {c: TYPES[s.kind] for c, s in made.items()}, "key": [next(iter(made))], "items": "data.list",
        "lookup": {"id": {"param": "ids", "batch": 100}}, "page": CURSOR,
    }  # fmt: skip
