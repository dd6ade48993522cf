"""Many queries at once, sources that stall or are down, limits: right answers or a coded error soon, and nothing left behind."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import duckdb
import pytest

from connectors.spi.errors import C360Error, Cancelled, SourceError
from connectors.testing.contract import PROMPT
from federation.errors import OverMemory, OverRows, QueryTimeout
from federation.planner import Planner
from federation.project import Project, connect
from federation.session import Session
from tests.equivalence.corpus import read
from tests.equivalence.oracle import comparable
from tests.support.stalling import Stalling
from tests.support.world import World, make

CORPUS = read(Path(__file__).parent.parent / "equivalence" / "queries.sql")


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A world that these tests may break."""
    made = make(tmp_path_factory.mktemp("own"))
    yield made
    made.project.close()


def test_sixteen_threads_get_right_answers(own: World) -> None:
    session, ids = own.project.session("root"), own.ids()
    cases = [c for c in CORPUS if c.rows != "count" and "root" in c.principals][::2]

    def ask(number: int) -> object:
        case = cases[number % len(cases)]
        return comparable(session.sql(case.sql, case.values(ids)).fetchall(), ordered=case.rows == "ordered")

    right = [ask(i) for i in range(len(cases))]
    order = [(i * 7) % len(cases) for i in range(len(cases) * 2)]
    with ThreadPoolExecutor(16) as pool:
        for number, answer in zip(order, pool.map(ask, order), strict=True):
            assert answer == right[number], cases[number].title
    assert not own.project.running


def test_what_plans_is_made_once(own: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many threads ask a new project first."""
    made, prepare = [], Planner.__init__

    def slowly(planner: Planner, *args: Any) -> None:
        made.append(planner)
        time.sleep(0.1)
        prepare(planner, *args)

    monkeypatch.setattr(Planner, "__init__", slowly)
    project = Project(own.project.model)
    with ThreadPoolExecutor(8) as pool:
        planners = list(pool.map(lambda _: project.planner, range(8)))
    assert len(made) == 1 and set(planners) == {project.planner}
    project.close()


def test_one_session_for_other_principals_at_once(own: World) -> None:
    asked = "SELECT count(*), count(phone) FROM individual"
    right = {who: own.project.session(who).sql(asked).fetchall() for who in ("root", "ana")}
    assert right["root"] != right["ana"]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda who: (who, own.project.session(who).sql(asked).fetchall()), ["root", "ana"] * 20))
    assert all(right[who] == answer for who, answer in answers)


@pytest.mark.parametrize(
    "asked", ["SELECT count(*) FROM support_case", "SELECT city FROM individual WHERE city = 'Kiel' AND length(street) > 1"]
)
def test_a_stalled_source_is_cancelled_soon(own: World, asked: str) -> None:
    with Stalling(own.project, "crm") as crm, ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(own.project.session("root").sql, asked)
        assert crm.reached.wait(5)
        started = time.monotonic()
        own.project.cancel(next(iter(own.project.running)))
        with pytest.raises(Cancelled):
            waiting.result(30)
        assert time.monotonic() - started < PROMPT
    _settled(crm)


def test_a_stalled_source_does_not_outlast_the_time(own: World) -> None:
    with Stalling(own.project, "crm") as crm:
        started = time.monotonic()
        with pytest.raises(QueryTimeout) as told:
            own.project.session("root").sql("SELECT * FROM timeline", timeout=0.5)
        assert time.monotonic() - started < 0.5 + PROMPT
        assert told.value.hint
    _settled(crm)


def test_a_partial_answer_goes_on_without_a_stalled_source(own: World) -> None:
    session = own.project.session("root")
    asked = "SELECT count(*) FROM individual_record WHERE source <> 'crm'"
    whole = session.sql(asked).fetchall()
    with Stalling(own.project, "crm") as crm:
        started = time.monotonic()
        result = session.sql("SELECT count(*) FROM individual_record", timeout=3, partial=True)
        assert result.fetchall() == whole
        assert result.report.missing == {"crm": "C360_SOURCE_TIMEOUT"}
        assert time.monotonic() - started < 3 + PROMPT
    _settled(crm)


def test_others_go_on_while_a_source_stalls(own: World) -> None:
    with Stalling(own.project, "crm"), ThreadPoolExecutor(20) as pool:
        session = own.project.session("root")
        stuck = [pool.submit(session.sql, "SELECT count(*) FROM support_case", timeout=3) for _ in range(16)]
        started = time.monotonic()
        for _ in range(10):
            assert session.sql("SELECT count(*) FROM product").fetchall() == [(12,)]
        assert time.monotonic() - started < 2.5
        for future in stuck:
            with pytest.raises(QueryTimeout):
                future.result()


def _settled(source: Stalling) -> None:
    """Every session that was opened is closed, soon."""
    end = time.monotonic() + 2
    while source.open and time.monotonic() < end:
        time.sleep(0.02)
    assert source.opened
    assert source.open == 0
    assert not source.project.running


def test_more_rows_than_allowed(own: World) -> None:
    with pytest.raises(OverRows, match="more than 10 rows"):
        own.project.session("root").sql("SELECT * FROM sales_order", max_rows=10)
    assert len(own.project.session("root").sql("SELECT * FROM sales_order LIMIT 10", max_rows=10).fetchall()) == 10


def test_memory_is_bounded(big: Path) -> None:
    project = connected(big, "64MiB")
    with pytest.raises(OverMemory, match="more memory than its budget"):
        project.session().sql("SELECT count(*) FROM raw.big.t AS a JOIN raw.big.t AS b ON a.text = b.text AND a.id <> b.id").fetchall()
    assert project.session().sql("SELECT count(*) FROM raw.big.t WHERE id < 10").fetchall() == [(10,)]
    project.close()


@pytest.mark.skipif(int(duckdb.__version__.split(".")[0]) >= 2, reason="DuckDB 2.0 gives a prepared statement's answer whole")
def test_limit_stops_a_long_stream(big: Path) -> None:
    project = connected(big, "1GiB")
    answer = project.session().sql("SELECT id FROM raw.big.t WHERE length(text) > 3 LIMIT 5")
    assert len(answer.fetchall()) == 5
    assert answer.report.rows_moved < ROWS / 2  # what may run ahead is bounded in bytes: 64 MiB to each room
    assert not project.running
    project.close()


ROWS = 1_500_000


@pytest.fixture(scope="module")
def big(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("big")
    with duckdb.connect(str(folder / "big.duckdb")) as con:
        con.execute(f"CREATE TABLE t AS SELECT range AS id, 'row ' || range || repeat('.', 300) AS text FROM range({ROWS})")
    return folder


def connected(folder: Path, memory: str) -> Project:
    text = f"version: 1\nname: big\nsources: {{big: {{kind: duckdb, path: big.duckdb}}}}\nsettings: {{memory: {memory}}}\n"
    (folder / "c360.yml").write_text(text)
    return connect(folder / "c360.yml")


def test_a_source_that_is_down(tmp_path: Path) -> None:
    broken = make(tmp_path)
    session = broken.project.session("root")
    asked = "SELECT kind, count(*) FROM timeline GROUP BY kind"
    right = dict(session.sql(asked).fetchall())
    person = next(
        i
        for i in broken.ids()
        if session.sql("SELECT count(*) FROM sales_order WHERE _source = 'shop' AND id360 = ?", [i]).fetchone() != (0,)
    )
    (tmp_path / "shop.sqlite").rename(tmp_path / "away")
    broken.project.source("shop").close()
    with pytest.raises(SourceError, match="shop") as told:
        session.sql(asked)
    assert told.value.source == "shop"
    assert told.value.hint
    part = session.sql(asked, partial=True)
    assert part.report.missing == {"shop": told.value.code}
    assert not part.report.complete
    assert dict(part.fetchall()) == right | {"order": 90}
    window = session.profile(person, window=None)
    assert not window.complete
    assert "shop" in window.missing
    (tmp_path / "away").rename(tmp_path / "shop.sqlite")
    assert dict(session.sql(asked).fetchall()) == right
    assert session.profile(person, window=None).complete
    broken.project.close()


def test_five_hundred_queries_leave_nothing_behind(own: World) -> None:
    session, ids = own.project.session("root"), own.ids()
    watched = [Stalling(own.project, source, after=None) for source in own.sources]
    for source in watched:
        source.__enter__()
    try:
        _ask(session, ids, 100)
        threads, files = _threads(), _files()
        _ask(session, ids, 400)
        gc.collect()
        assert all(source.opened and not source.open for source in watched)
        assert not own.project.running
        assert _files() <= files + 5
        assert _threads() <= max(threads, 70)
    finally:
        for source in watched:
            source.__exit__()


def _ask(session: Session, ids: list[int], count: int) -> None:
    """Quick ones, some of which fail, are cut short, or are never read."""
    for i in range(count):
        try:
            match i % 5:
                case 0:
                    session.sql("SELECT city FROM individual WHERE id360 = ?", [ids[i % len(ids)]]).fetchall()
                case 1:
                    session.sql("SELECT sales_order_id FROM sales_order LIMIT 3")
                case 2:
                    session.sql("SELECT subject::INTEGER FROM support_case")
                case 3:
                    session.sql("SELECT * FROM sales_order", max_rows=1)
                case 4:
                    session.sql("SELECT id360 FROM individual WHERE city = 'Kiel'", timeout=5)
        except C360Error:
            pass


def _files() -> int:
    opened = Path("/proc/self/fd")
    return len(list(opened.iterdir())) if opened.exists() else 0


def _threads() -> int:
    return threading.active_count()
