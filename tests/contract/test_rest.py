"""A REST source, run through the contract against a real HTTP server, and what is particular to it."""

from __future__ import annotations

import datetime as dt
import json
import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from email.utils import format_datetime
from typing import Any

import pyarrow as pa
import pytest
from sqlglot import exp

from connectors.rest import connect
from connectors.spi import Connector, Deadline, Fragment, KeyFilter, Param, Support
from connectors.spi.errors import (
    C360Error,
    Cancelled,
    MissingKey,
    SchemaDrift,
    SourceBroken,
    SourceBusy,
    SourceConfig,
    SourceError,
    SourceLogin,
    SourceTimeout,
    SourceUnreachable,
    UnmappedType,
)
from connectors.testing import ConnectorContract, Made
from connectors.testing.contract import Make
from tests.support.rest_server import TOKEN, RestServer, serving

TYPES = {
    "int": "BIGINT", "decimal": "DECIMAL(18,2)", "double": "DOUBLE", "bool": "BOOLEAN", "text": "VARCHAR", "date": "DATE",
    "timestamp": "TIMESTAMP", "timestamptz": "TIMESTAMPTZ", "json": "JSON",
}  # fmt: skip
HEADERS = {"Authorization": f"Bearer {TOKEN}"}
CURSOR = {"style": "cursor", "param": "cursor", "next": "meta.next", "size_param": "limit", "size": 1000}


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


def options(server: RestServer, tables: Mapping[str, object], **more: object) -> dict[str, object]:
    return {"base_url": server.url, "headers": HEADERS, "tables": tables, **more}


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


@pytest.fixture
def server() -> Iterator[RestServer]:
    with serving({"account": list(ACCOUNTS)}) as server:
        yield server


@pytest.fixture
def api(server: RestServer) -> Connector:
    return connect("crm", options(server, {"account": ACCOUNT, "one": BY_PATH}, timeout=5))


def run(connector: Connector, fragment: Fragment, values: Mapping[str, object] | None = None, seconds: float = 10) -> list[dict[str, Any]]:
    session = connector.session(Deadline.after(seconds), snapshot=False)
    try:
        return [row for batch in session.run(fragment, values or {}) for row in batch.to_pylist()]
    finally:
        session.close()


def ids(*keys: int) -> dict[str, object]:
    return {"k": (pa.array(keys, pa.int64()),)}


ALL = Fragment("crm", "account", ("id",))
BY_ID = Fragment("crm", "account", ("id",), keys=KeyFilter(("id",), "k"))
ONE_BY_ID = Fragment("crm", "one", ("id", "email"), keys=KeyFilter(("id",), "k"))


def test_pages_are_followed_and_counted(api: Connector, server: RestServer) -> None:
    session = api.session(Deadline.after(10), snapshot=False)
    stream = session.run(ALL, {})
    assert sum(b.num_rows for b in stream) == 250
    assert stream.requests == 3 == len(server.asked)
    assert stream.statement == "GET /account?cursor=..."
    session.close()


@pytest.mark.parametrize("page", [{"style": "page", "param": "page"}, {"style": "offset", "param": "offset"}])
def test_other_ways_to_page(server: RestServer, page: dict[str, object]) -> None:
    table = {**ACCOUNT, "page": {**page, "size_param": "limit", "size": 100}}
    connector = connect("crm", options(server, {"account": table}))
    assert sorted(r["id"] for r in run(connector, ALL)) == list(range(1, 251))
    assert len(server.asked) == 3


def test_an_answer_without_pages_is_read_once(server: RestServer) -> None:
    connector = connect("crm", options(server, {"account": {**ACCOUNT, "page": {}}}))
    assert len(run(connector, ALL)) == 250
    assert server.asked == ["/account"]


def test_a_limit_stops_paging(api: Connector, server: RestServer) -> None:
    server.page = 10
    assert len(run(api, Fragment("crm", "account", ("id",), limit=15))) == 15
    assert len(server.asked) < 10


def test_keys_go_in_batches(api: Connector, server: RestServer) -> None:
    session = api.session(Deadline.after(10), snapshot=False)
    stream = session.run(BY_ID, ids(*range(1, 46), 9999))
    assert sorted(i for b in stream for i in b["id"].to_pylist()) == list(range(1, 46))
    assert stream.requests == 3
    assert stream.statement == "GET /account?ids=$keys&cursor=..."
    session.close()


def test_keys_by_path_one_request_each_and_404_is_no_row(api: Connector, server: RestServer) -> None:
    found = run(api, ONE_BY_ID, ids(7, 9999))
    assert found == [{"id": 7, "email": "Name7@x.org"}]
    assert sorted(server.asked) == ["/account/7", "/account/9999"]


def test_keys_that_mean_something_in_a_url(server: RestServer) -> None:
    names = ["a,b", "a b", "a/b", "../x", "..", "", "ä&c=d", "%2e", "#", "?", "plain"]
    server.tables["thing"] = [{"name": n, "n": i} for i, n in enumerate(names)]
    table = {"path": "/thing", "columns": {"name": "VARCHAR", "n": "BIGINT"}, "items": "data.list"}
    wanted = {"k": (pa.array(names),)}
    fragment = Fragment("crm", "thing", ("name",), keys=KeyFilter(("name",), "k"))
    repeated = connect(
        "crm", options(server, {"thing": {**table, "lookup": {"name": {"param": "ids", "batch": 4, "separator": "repeat"}}}})
    )
    assert sorted(r["name"] for r in run(repeated, fragment, wanted)) == sorted(names)
    joined = connect("crm", options(server, {"thing": {**table, "lookup": {"name": {"param": "ids", "batch": 4}}}}))
    with pytest.raises(SourceConfig, match="separator") as raised:
        run(joined, fragment, wanted)
    assert "a,b" not in str(raised.value)
    by_path = connect("crm", options(server, {"thing": {**table, "lookup": {"name": {"path": "/thing/{name}"}}, "items": "data"}}))
    assert sorted(r["name"] for r in run(by_path, fragment, wanted)) == sorted(set(names) - {"..", ""})
    assert all(path.startswith("/thing/") for path in server.asked if "ids=" not in path)


def test_a_loose_api_adds_no_row_to_a_key_list(api: Connector, server: RestServer) -> None:
    fragment = Fragment("crm", "account", ("id",), keys=KeyFilter(("email",), "k"))
    assert run(api, fragment, {"k": (pa.array(["name7@x.org"]),)}) == []  # the API thinks it is Name7
    assert sorted(r["id"] for r in run(api, fragment, {"k": (pa.array(["Name7@x.org"]),)})) == [7, 57, 107, 157, 207]
    assert all("email=" in path for path in server.asked)


def judged(api: Connector, text: str, types: Mapping[str, pa.DataType]) -> Support:
    predicate: exp.Expr = exp.maybe_parse(text, dialect="duckdb")
    return api.capabilities.judge(predicate, {c.name: c for c in api.table("account").columns}, types).support


def test_filters_are_claimed_per_column_and_never_exact(api: Connector) -> None:
    text, at, number = {"p": pa.string()}, {"p": pa.timestamp("us", "UTC")}, {"p": pa.int64()}
    for predicate, types in (
        ("email = $p", text), ("updated_at >= $p", at), ("updated_at > $p", at), ("email = $p AND upper(city) = 'X'", text),
    ):  # fmt: skip
        assert judged(api, predicate, types) is Support.SUPERSET, predicate
    for predicate, types in (
        ("city = $p", text), ("updated_at < $p", at), ("updated_at = $p", at), ("id = $p", number), ("email <> $p", text),
        ("NOT email = $p", text),
        ("email = $p OR email = $p", text), ("email > $p", text), ("email = $p", number), ("email IS NULL", text),
        ("lower(email) = $p", text),
        ("email IN ($p)", text), ("email = city", text),
    ):  # fmt: skip
        assert judged(api, predicate, types) is Support.LOCAL, predicate


def test_a_filter_reaches_the_api(api: Connector, server: RestServer) -> None:
    at = dt.datetime(2024, 8, 1, tzinfo=dt.UTC)
    predicate: exp.Expr = exp.maybe_parse("updated_at > $p AND email = $q", dialect="duckdb")
    params = {"p": pa.timestamp("us", "UTC"), "q": pa.string()}
    emitted = api.capabilities.judge(predicate, {c.name: c for c in api.table("account").columns}, params).emitted
    assert emitted is not None
    fragment = Fragment("crm", "account", ("id", "email", "updated_at"), (emitted,), tuple(Param(n, t) for n, t in params.items()))
    found = run(api, fragment, {"p": at, "q": "Name14@x.org"})
    assert {r["id"] for r in found} == {i for i in range(1, 251) if i % 50 == 14 and ACCOUNTS[i - 1]["updated_at"] >= at}
    assert server.asked == ["/account?updated_at_since=2024-08-01T00%3A00%3A00Z&email=Name14%40x.org&limit=100"]
    twice = Fragment(
        "crm", "account", ("id",), (exp.column("email").eq(exp.Placeholder(this="q")), exp.column("email").eq(exp.Placeholder(this="r")))
    )
    assert len(run(api, twice, {"q": "Name1@x.org", "r": "Name2@x.org"})) == 5  # a superset: the engine checks both


def test_a_table_read_by_key_only(api: Connector, server: RestServer) -> None:
    for fragment in (Fragment("crm", "one", ("id",)), Fragment("crm", "one", ("id",), keys=KeyFilter(("city",), "k"))):
        with pytest.raises(MissingKey, match=r"crm\.one is read by id or email only"):
            run(api, fragment, {"k": (pa.array(["Bonn"]),)})
    assert server.asked == []
    filtered = Fragment("crm", "one", ("id",), (exp.column("email").eq(exp.Placeholder(this="q")),), (Param("q", pa.string()),))
    connector = connect("crm", options(server, {"one": {**BY_PATH, "items": "data.list"}}))
    assert len(run(connector, filtered, {"q": "Name7@x.org"})) == 5


def test_values_and_nested_fields(api: Connector) -> None:
    fragment = Fragment("crm", "account", ("balance", "city", "tags", "updated_at"), keys=KeyFilter(("id",), "k"))
    assert run(api, fragment, ids(3)) == [
        {"balance": Decimal("0.30"), "city": "Bonn", "tags": '["a",{"n":1.5}]', "updated_at": dt.datetime(2024, 1, 4, tzinfo=dt.UTC)}
    ]


@pytest.mark.parametrize(
    ("row", "kind"),
    [
        ({"id": "4711"}, UnmappedType), ({"id": 4711.5}, UnmappedType), ({"id": True}, UnmappedType), ({"id": 2**70}, UnmappedType),
        ({"id": 1, "email": 4711}, UnmappedType), ({"id": 1, "updated_at": "2024-01-01T00:00:00"}, UnmappedType),
        ({"id": 1, "balance": "0.125"}, UnmappedType), ({"email": "4711"}, SchemaDrift),
    ],
)  # fmt: skip
def test_a_value_that_does_not_fit(api: Connector, server: RestServer, row: dict[str, object], kind: type[SourceError]) -> None:
    server.tables["account"] = [row]
    with pytest.raises(kind, match=r"crm\.account\.") as raised:
        run(api, Fragment("crm", "account", ("id", "email", "updated_at", "balance")))
    assert "4711" not in str(raised.value) and raised.value.hint


# -- faults


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ((500, {}), SourceBroken), ((401, {}), SourceLogin), ((403, {}), SourceLogin), ((302, {"Location": "http://x/"}), SourceBroken),
        ((400, {}), SchemaDrift), ("cut", SourceBroken), ("reset", SourceBroken),
        ("garbage", SourceBroken), ((429, {"Retry-After": "60"}), SourceBusy),
        ((503, {}), SourceBusy),
    ],
)  # fmt: skip
def test_faults_are_coded_and_quote_nothing(api: Connector, server: RestServer, fault: object, kind: type[C360Error]) -> None:
    server.faults.fault = lambda path: fault
    started = time.monotonic()
    with pytest.raises(kind) as raised:
        run(api, ALL)
    assert time.monotonic() - started < 3
    assert "4711" not in str(raised.value) and TOKEN not in str(raised.value) and raised.value.hint
    assert len(server.asked) <= 4


def test_a_busy_api_is_asked_again_when_it_says(api: Connector, server: RestServer) -> None:
    soon = format_datetime(dt.datetime.now(dt.UTC) + dt.timedelta(seconds=1))
    answers: list[object] = [(429, {"Retry-After": "1"}), (503, {"Retry-After": soon}), None]
    server.faults.fault = lambda path: answers.pop(0) if answers else None
    started = time.monotonic()
    session = api.session(Deadline.after(10), snapshot=False)
    stream = session.run(BY_ID, ids(1, 2))
    assert sum(b.num_rows for b in stream) == 2
    assert time.monotonic() - started >= 1
    assert stream.requests == 3
    session.close()


def test_a_dead_kept_connection_is_replaced(api: Connector, server: RestServer) -> None:
    answers: list[object] = ["reset"]
    server.faults.fault = lambda path: answers.pop() if answers else None
    assert len(run(api, BY_ID, ids(1))) == 1


def test_a_cut_second_page_fails_the_stream_after_its_first(api: Connector, server: RestServer) -> None:
    server.faults.fault = lambda path: "cut" if "cursor=" in path else None
    session = api.session(Deadline.after(10), snapshot=False)
    batches = iter(session.run(ALL, {}))
    assert next(batches).num_rows == 100
    with pytest.raises(SourceBroken):
        list(batches)
    session.close()


@pytest.mark.parametrize("fault", ["stall", "stall-body", "slow"])
@pytest.mark.parametrize("how", ["deadline", "cancel", "close"])
def test_a_stalled_answer_holds_nobody(api: Connector, server: RestServer, fault: str, how: str) -> None:
    server.faults.fault = lambda path: fault
    session = api.session(Deadline.after(0.5 if how == "deadline" else 30), snapshot=False)
    if how != "deadline":
        threading.Timer(0.5, session.cancel if how == "cancel" else api.close).start()
    started = time.monotonic()
    with pytest.raises(SourceTimeout if how == "deadline" else Cancelled):
        list(session.run(ALL, {}))
    assert time.monotonic() - started < 1.1
    session.close()
    server.faults.flowing.set()
    server.faults.fault = lambda path: None
    assert len(run(api, ALL)) == 250


def test_threads_left_behind_end(server: RestServer) -> None:
    connector = connect("crm", options(server, {"account": ACCOUNT}, timeout=0.5))
    server.faults.fault = lambda path: "slow"
    for _ in range(3):
        with pytest.raises(SourceTimeout):
            run(connector, ALL, seconds=0.2)
    time.sleep(1)
    assert not [t for t in threading.enumerate() if t.name.startswith("c360-rest-crm")]


def test_an_api_that_pages_in_circles(server: RestServer) -> None:
    table = {**ACCOUNT, "page": {**CURSOR, "next": "meta.loop"}}
    connector = connect("crm", options(server, {"account": table}))
    server.page = 100
    assert len(run(connector, ALL)) == 100  # no cursor where it should be: one page
    table = {**ACCOUNT, "page": {**CURSOR, "param": "limit", "next": "meta.next", "size_param": ""}}
    connector = connect("crm", options(server, {"account": table}))
    with pytest.raises(SourceBroken, match="a page that was read"):
        run(connector, ALL)


def test_wrong_token_and_no_server(server: RestServer) -> None:
    wrong = connect("crm", {**options(server, {"account": ACCOUNT}), "headers": {"Authorization": "Bearer 4711"}})
    with pytest.raises(SourceLogin) as raised:
        wrong.ping(Deadline.after(5))
    assert "4711" not in str(raised.value)
    assert "4711" not in repr(wrong) + repr(vars(wrong))
    nowhere = connect("crm", {**options(server, {"account": ACCOUNT}), "base_url": "http://127.0.0.1:1/v1"})
    for ask in (lambda: nowhere.ping(Deadline.after(5)), lambda: run(nowhere, ALL)):
        with pytest.raises(SourceUnreachable):
            ask()


def test_a_moved_table_is_drift(api: Connector, server: RestServer) -> None:
    del server.tables["account"]
    with pytest.raises(SchemaDrift, match=r"crm\.account"):
        run(api, ALL)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"base_url": "ftp://x"}, "base_url"), ({"base_url": "https://me:pw@x/"}, "base_url"), ({"base_url": None}, "base_url"),
        ({"heders": {}}, "heders"), ({"headers": {"A": "b\r\nc: d"}}, "headers"), ({"tables": {"t": {"path": "/t"}}}, "columns"),
        ({"tables": {"t": {"path": "t", "columns": {"a": "BIGINT"}}}}, "slash"),
        ({"tables": {"t": {"path": "/t", "columns": {"a": "BLOB"}}}}, "BLOB"),
        ({"tables": {"t": {"path": "/t", "columns": {"a": "BIGINT"}, "key": ["b"]}}}, "`b`"),
        ({"tables": {"t": {"path": "/t", "columns": {"a": "BIGINT"}, "filters": {"a": "like"}}}}, "filters"),
        ({"tables": {"t": {"path": "/t", "columns": {"a": "BIGINT"}, "lookup": {"a": {"path": "/t/{b}"}}}}}, "lookup"),
        ({"tables": {"t": {"path": "/t", "columns": {"a": "BIGINT"}, "page": {"style": "magic"}}}}, "page"),
    ],
)  # fmt: skip
def test_malformed_options(change: dict[str, object], message: str) -> None:
    given: dict[str, object] = {"base_url": "https://x/v1", "tables": {"t": {"path": "/t", "columns": {"a": "BIGINT"}}}}
    with pytest.raises(SourceConfig, match=message) as raised:
        connect("crm", {**given, **change})
    assert "pw" not in str(raised.value)
