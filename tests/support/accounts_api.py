"""An API of 250 accounts, as a source: `account` in pages and by keys, `one` by key only."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal

import pyarrow as pa

from connectors.rest import connect
from connectors.spi import Connector, Fragment, KeyFilter
from tests.support.rest_server import TOKEN, RestServer, serving

HEADERS = {"Authorization": f"Bearer {TOKEN}"}
CURSOR = {"style": "cursor", "param": "cursor", "next": "meta.next", "size_param": "limit", "size": 1000}
ACCOUNTS = [
    {"id": i, "email": f"Name{i % 50}@x.org", "updated_at": dt.datetime(2024, 1, 1, tzinfo=dt.UTC) + dt.timedelta(days=i),
     "address": {"city": "Bonn"}, "tags": ["a", {"n": 1.50}], "balance": Decimal("0.10") * i}
    for i in range(1, 251)
]  # fmt: skip
ACCOUNT = {
    "path": "/account", "key": ["id"], "items": "data.list", "page": {**CURSOR, "size": 100},
    "columns": {
        "id": "BIGINT", "email": "VARCHAR", "updated_at": "TIMESTAMPTZ", "city": {"type": "VARCHAR", "field": "address.city"},
        "tags": "JSON", "balance": "DECIMAL(12,2)",
    },
    "lookup": {"id": {"param": "ids", "batch": 20}},
    "filters": {"email": "=", "updated_at": {">=": "updated_at_since"}},
}  # fmt: skip
BY_PATH = {**ACCOUNT, "items": "data", "lookup": {"id": {"path": "/account/{id}"}}, "page": {}, "required": ["id", "email"]}

ALL = Fragment("crm", "account", ("id",))
BY_ID = Fragment("crm", "account", ("id",), keys=KeyFilter(("id",), "k"))
ONE_BY_ID = Fragment("crm", "one", ("id", "email"), keys=KeyFilter(("id",), "k"))


def options(server: RestServer, tables: Mapping[str, object], **more: object) -> dict[str, object]:
    return {"base_url": server.url, "headers": HEADERS, "tables": tables, **more}


@contextmanager
def serving_accounts() -> Iterator[RestServer]:
    """The API, served while the block runs."""
    with serving({"account": list(ACCOUNTS)}) as server:
        yield server


def connected(server: RestServer) -> Connector:
    """The source `crm`."""
    return connect("crm", options(server, {"account": ACCOUNT, "one": BY_PATH}, timeout=5))


def ids(*keys: int) -> dict[str, object]:
    """The key list of BY_ID and ONE_BY_ID."""
    return {"k": (pa.array(keys, pa.int64()),)}
