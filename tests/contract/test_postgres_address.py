"""Connection strings: which sockets each leads to. One that is not known of cannot be shut when a reader is to be freed."""

from __future__ import annotations

import pytest

from connectors.postgres import connect
from connectors.postgres.address import address
from connectors.spi import Deadline
from tests.support.postgres import TestPostgres


@pytest.mark.parametrize(
    ("uri", "endpoints"),
    [
        ("postgresql://reader:p%40ss@db.example.org:6543/crm", [("db.example.org", 6543)]),
        ("postgres://reader@db/crm?sslmode=require", [("db", 5432)]),
        ("postgresql://reader:pw@one:5432,two:5433,three/crm", [("one", 5432), ("two", 5433), ("three", 5432)]),
        ("postgresql://one,two/crm?port=6432", [("one", 6432), ("two", 6432)]),
        ("postgresql://[::1]:5433,[fe80::1]/crm", [("::1", 5433), ("fe80::1", 5432)]),
        ("postgresql://%2Fvar%2Frun/crm", [("/var/run", 5432)]),
        ("postgresql:///crm?host=/tmp&port=77", [("/tmp", 77)]),
        ("postgresql://db.example.org/crm?hostaddr=10.0.0.1", [("10.0.0.1", 5432)]),
        ("host=one,two port=1,2 dbname=crm", [("one", 1), ("two", 2)]),
        ("host = one,two  dbname = crm", [("one", 5432), ("two", 5432)]),
    ],
)
def test_where_a_connection_string_leads(uri: str, endpoints: list[tuple[str, int]], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PGHOST", "PGPORT"):
        monkeypatch.delenv(name, raising=False)
    assert list(address(uri, 2.0, 0.0).endpoints) == endpoints


def test_what_names_no_host_leads_where_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGHOST", "db")
    monkeypatch.setenv("PGPORT", "6432")
    assert address("dbname=crm", 2.0, 0.0).endpoints == (("db", 6432),)


@pytest.mark.parametrize("uri", ["crm", "mysql", "host=a,b port=1,2,3", "postgresql://db:abc/crm"])
def test_what_is_no_connection_string(uri: str) -> None:
    with pytest.raises(ValueError):
        address(uri, 2.0, 0.0)


def test_a_server_that_stands_second_in_line_is_reached(postgres: TestPostgres) -> None:
    uri = postgres.uri(postgres.database(), tcp=True).replace("@127.0.0.1:", "@127.0.0.1:1,127.0.0.1:")
    crm = connect("crm", {"uri": uri})
    assert crm.ping(Deadline.after(10)).startswith("PostgreSQL ")
    crm.close()
