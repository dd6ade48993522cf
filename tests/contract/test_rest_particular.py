"""What is particular to a REST source: paging, keys, filters, values; options."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal

import pyarrow as pa
import pytest
from sqlglot import exp

from connectors.rest import connect
from connectors.spi import Connector, Deadline, Fragment, KeyFilter, Param, Support
from connectors.spi.errors import MissingKey, SchemaDrift, SourceConfig, SourceError, UnmappedType
from tests.support.accounts_api import ACCOUNT, ACCOUNTS, ALL, BY_ID, BY_PATH, ONE_BY_ID, ids, options
from tests.support.reading import rows_of
from tests.support.rest_server import RestServer


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
    assert sorted(r["id"] for r in rows_of(connector, ALL)) == list(range(1, 251))
    assert len(server.asked) == 3


def test_an_answer_without_pages_is_read_once(server: RestServer) -> None:
    connector = connect("crm", options(server, {"account": {**ACCOUNT, "page": {}}}))
    assert len(rows_of(connector, ALL)) == 250
    assert server.asked == ["/account"]


def test_a_limit_stops_paging(api: Connector, server: RestServer) -> None:
    server.page = 10
    assert len(rows_of(api, Fragment("crm", "account", ("id",), limit=15))) == 15
    assert len(server.asked) < 10


def test_keys_go_in_batches(api: Connector, server: RestServer) -> None:
    session = api.session(Deadline.after(10), snapshot=False)
    stream = session.run(BY_ID, ids(*range(1, 46), 9999))
    assert sorted(i for b in stream for i in b["id"].to_pylist()) == list(range(1, 46))
    assert stream.requests == 3
    assert stream.statement == "GET /account?ids=$keys&cursor=..."
    session.close()


def test_keys_by_path_one_request_each_and_404_is_no_row(api: Connector, server: RestServer) -> None:
    found = rows_of(api, ONE_BY_ID, ids(7, 9999))
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
    assert sorted(r["name"] for r in rows_of(repeated, fragment, wanted)) == sorted(names)
    joined = connect("crm", options(server, {"thing": {**table, "lookup": {"name": {"param": "ids", "batch": 4}}}}))
    with pytest.raises(SourceConfig, match="separator") as raised:
        rows_of(joined, fragment, wanted)
    assert "a,b" not in str(raised.value)
    by_path = connect("crm", options(server, {"thing": {**table, "lookup": {"name": {"path": "/thing/{name}"}}, "items": "data"}}))
    assert sorted(r["name"] for r in rows_of(by_path, fragment, wanted)) == sorted(set(names) - {"..", ""})
    assert all(path.startswith("/thing/") for path in server.asked if "ids=" not in path)


def test_a_loose_api_adds_no_row_to_a_key_list(api: Connector, server: RestServer) -> None:
    fragment = Fragment("crm", "account", ("id",), keys=KeyFilter(("email",), "k"))
    assert rows_of(api, fragment, {"k": (pa.array(["name7@x.org"]),)}) == []  # the API thinks it is Name7
    assert sorted(r["id"] for r in rows_of(api, fragment, {"k": (pa.array(["Name7@x.org"]),)})) == [7, 57, 107, 157, 207]
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
    found = rows_of(api, fragment, {"p": at, "q": "Name14@x.org"})
    assert {r["id"] for r in found} == {i for i in range(1, 251) if i % 50 == 14 and ACCOUNTS[i - 1]["updated_at"] >= at}
    assert server.asked == ["/account?updated_at_since=2024-08-01T00%3A00%3A00Z&email=Name14%40x.org&limit=100"]
    twice = Fragment(
        "crm", "account", ("id",), (exp.column("email").eq(exp.Placeholder(this="q")), exp.column("email").eq(exp.Placeholder(this="r")))
    )
    assert len(rows_of(api, twice, {"q": "Name1@x.org", "r": "Name2@x.org"})) == 5  # a superset: the engine checks both


def test_a_table_read_by_key_only(api: Connector, server: RestServer) -> None:
    for fragment in (Fragment("crm", "one", ("id",)), Fragment("crm", "one", ("id",), keys=KeyFilter(("city",), "k"))):
        with pytest.raises(MissingKey, match=r"crm\.one is read by id or email only"):
            rows_of(api, fragment, {"k": (pa.array(["Bonn"]),)})
    assert server.asked == []
    filtered = Fragment("crm", "one", ("id",), (exp.column("email").eq(exp.Placeholder(this="q")),), (Param("q", pa.string()),))
    connector = connect("crm", options(server, {"one": {**BY_PATH, "items": "data.list"}}))
    assert len(rows_of(connector, filtered, {"q": "Name7@x.org"})) == 5


def test_values_and_nested_fields(api: Connector) -> None:
    fragment = Fragment("crm", "account", ("balance", "city", "tags", "updated_at"), keys=KeyFilter(("id",), "k"))
    assert rows_of(api, fragment, ids(3)) == [
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
        rows_of(api, Fragment("crm", "account", ("id", "email", "updated_at", "balance")))
    assert "4711" not in str(raised.value) and raised.value.hint


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
