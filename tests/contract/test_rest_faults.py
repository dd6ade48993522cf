"""A REST source whose server fails, stalls, is busy, leads in circles, or is not there."""

from __future__ import annotations

import datetime as dt
import threading
import time
from email.utils import format_datetime

import pytest

from connectors.rest import connect
from connectors.spi import Connector, Deadline
from connectors.spi.errors import (
    C360Error,
    Cancelled,
    SchemaDrift,
    SourceBroken,
    SourceBusy,
    SourceLogin,
    SourceTimeout,
    SourceUnreachable,
)
from connectors.testing.contract import PROMPT
from tests.support.accounts_api import ACCOUNT, ALL, BY_ID, CURSOR, ids, options
from tests.support.reading import rows_of
from tests.support.rest_server import TOKEN, RestServer


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
        rows_of(api, ALL)
    assert time.monotonic() - started < PROMPT
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
    assert len(rows_of(api, BY_ID, ids(1))) == 1


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
    assert time.monotonic() - started < PROMPT
    session.close()
    server.faults.flowing.set()
    server.faults.fault = lambda path: None
    assert len(rows_of(api, ALL)) == 250


def test_threads_left_behind_end(server: RestServer) -> None:
    connector = connect("crm", options(server, {"account": ACCOUNT}, timeout=0.5))
    server.faults.fault = lambda path: "slow"
    for _ in range(3):
        with pytest.raises(SourceTimeout):
            rows_of(connector, ALL, seconds=0.2)
    time.sleep(1)
    assert not [t for t in threading.enumerate() if t.name.startswith("c360-rest-crm")]


def test_an_api_that_pages_in_circles(server: RestServer) -> None:
    table = {**ACCOUNT, "page": {**CURSOR, "next": "meta.loop"}}
    connector = connect("crm", options(server, {"account": table}))
    server.page = 100
    assert len(rows_of(connector, ALL)) == 100  # no cursor where it should be: one page
    table = {**ACCOUNT, "page": {**CURSOR, "param": "limit", "next": "meta.next", "size_param": ""}}
    connector = connect("crm", options(server, {"account": table}))
    with pytest.raises(SourceBroken, match="a page that was read"):
        rows_of(connector, ALL)


def test_wrong_token_and_no_server(server: RestServer) -> None:
    wrong = connect("crm", {**options(server, {"account": ACCOUNT}), "headers": {"Authorization": "Bearer 4711"}})
    with pytest.raises(SourceLogin) as raised:
        wrong.ping(Deadline.after(5))
    assert "4711" not in str(raised.value)
    assert "4711" not in repr(wrong) + repr(vars(wrong))
    nowhere = connect("crm", {**options(server, {"account": ACCOUNT}), "base_url": "http://127.0.0.1:1/v1"})
    for ask in (lambda: nowhere.ping(Deadline.after(5)), lambda: rows_of(nowhere, ALL)):
        with pytest.raises(SourceUnreachable):
            ask()


def test_a_moved_table_is_drift(api: Connector, server: RestServer) -> None:
    del server.tables["account"]
    with pytest.raises(SchemaDrift, match=r"crm\.account"):
        rows_of(api, ALL)
