"""A run from its beginning to every kind of end: who waits for whom, who closes what, and what the log says of it."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

import pytest

from connectors.spi import Deadline
from connectors.spi.errors import SourceBroken
from connectors.sqlite import session as sqlite_session
from federation import fetching, result, session
from federation.inbox import Stopped
from federation.source_sessions import SourceSessions
from tests.support.world import World


def test_the_log_says_how_each_query_ended(world: World) -> None:
    asking = world.project.session("root")
    with pytest.raises(session.QueryFailed):
        asking.sql("SELECT city::INTEGER FROM individual")
    with pytest.raises(result.OverRows):
        asking.sql("SELECT * FROM individual", max_rows=1)
    asking.sql("SELECT * FROM individual, individual_record LIMIT 1").fetchall()
    statuses = [e.status for e in world.project.log.entries()[-3:]]
    assert statuses == ["C360_QUERY_FAILED", "C360_OVER_ROWS", "done"]


def test_an_answer_closed_early_is_no_error(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(result, "EAGER_ROWS", 0)
    asking = world.project.session("root")
    asking.sql("SELECT a.id360 FROM individual_record AS a, individual_record AS b").close()
    assert world.project.log.entries()[-1].status == "done"
    assert not world.project.running


def test_who_fetches_does_not_wait_for_itself(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The caller's thread takes one fetch of its own: nobody reads meanwhile, so what may run ahead must not bound it."""
    monkeypatch.setattr(fetching, "AHEAD", 0)
    monkeypatch.setattr(sqlite_session, "BATCH", 1)
    asked = "SELECT count(city) FROM individual WHERE birth_date > '1900-01-01'"
    rows = world.project.session("root").sql(asked, timeout=5).fetchall()
    assert rows == world.project.session("root").sql(asked, passes_off=("find_candidates",)).fetchall()


def test_a_stream_is_read_once_whatever_the_query_says(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "CROSS_AS_TABLE", 0)
    asked = "WITH t AS NOT MATERIALIZED (SELECT * FROM individual) SELECT count(*) FROM t AS a JOIN t AS b ON a.id360 = b.id360"
    assert world.project.session("root").sql(asked).fetchall() == [(len(world.ids()),)]


def test_an_id_named_twice_is_one_person(world: World) -> None:
    person = world.ids()[0]
    asking = world.project.session("root")
    for view in ("crosswalk", "individual_record"):
        once = asking.sql(f"SELECT * FROM {view} WHERE id360 = {person}").fetchall()
        twice = asking.sql(f"SELECT * FROM {view} WHERE id360 IN ({person},{person})").fetchall()
        assert sorted(map(repr, twice)) == sorted(map(repr, once))


class Opened:
    """A session that notes what is done to it."""

    def __init__(self) -> None:
        self.done: list[str] = []

    def cancel(self) -> None:
        self.done.append("cancelled")

    def close(self) -> None:
        self.done.append("closed")


def _sessions(opened: Opened, stopped: threading.Event, opening: Any = lambda: None) -> SourceSessions:
    def session(deadline: Deadline, *, snapshot: bool) -> Opened:
        opening()
        return opened

    plan = SimpleNamespace(fetches=[SimpleNamespace(fragment=SimpleNamespace(source="crm"))])
    source: Any = SimpleNamespace(session=session)
    return SourceSessions(plan, lambda name: source, Deadline.after(5), stopped.is_set)  # type: ignore[arg-type]


def test_a_session_that_opens_after_the_end_is_closed() -> None:
    """Else a source loses one of its few connections with every query that is cancelled while it waits for one."""
    opened, stopped = Opened(), threading.Event()
    sessions = _sessions(opened, stopped, opening=stopped.set)
    with pytest.raises(Stopped), sessions.reading("crm"):
        sessions.borrow("crm")
    sessions.close()
    assert opened.done == ["cancelled", "closed"]


def test_a_session_is_closed_by_whoever_reads_it() -> None:
    """No driver bears being closed by one thread while another is inside a call."""
    opened, stopped = Opened(), threading.Event()
    sessions = _sessions(opened, stopped)
    with sessions.reading("crm"):
        sessions.borrow("crm")
        sessions.cancel()
        sessions.close()
        assert opened.done == ["cancelled"]
    assert opened.done == ["cancelled", "closed"]


def test_a_failed_source_keeps_its_cause(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the user is told hides the driver's text; whoever debugs still finds its exception."""
    fault = OSError("the driver's own words")

    def broken(*_: object, **__: object) -> None:
        raise fault

    monkeypatch.setattr(sqlite_session.SqliteStream, "_fetch", broken)
    with pytest.raises(SourceBroken) as caught:
        world.project.session("root").sql("SELECT count(*) FROM individual_record").fetchall()
    assert caught.value.__cause__ is fault
