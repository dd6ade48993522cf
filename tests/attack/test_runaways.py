"""What runs away is stopped: by its deadline or its memory, with a code; the process stays small, and the next question is answered."""

from __future__ import annotations

import resource
import threading
import time
from pathlib import Path

import pytest

from connectors.spi.errors import C360Error
from federation.project import Project
from federation.session import Session

LONG = "string_split(repeat('x,', 999), ',')"
DOUBLED = "WITH " + ", ".join(
    f"t{i} AS (SELECT s || s AS s FROM t{i - 1})" if i else "t0 AS (SELECT city AS s FROM individual)" for i in range(28)
)
FORMS = {
    "cross join": "SELECT count(*) FROM individual a, individual b, individual c, individual d, individual e, individual f, individual g, individual h "  # noqa: E501
    "WHERE a.points + b.points + c.points + d.points + e.points + f.points + g.points = h.points",
    "unnested lists": f"SELECT count(*) FROM unnest({LONG}) a(x), unnest({LONG}) b(x), unnest({LONG}) c(x), unnest({LONG}) d(x) "
    "WHERE a.x || b.x || c.x || d.x = 'q'",
    "text upon text": "SELECT string_agg(repeat(a.city, 1000) || b.id360, ',') FROM individual a, individual b, individual c, individual d",
    "doubled text": DOUBLED + " SELECT sum(length(s)) FROM t27",
    "regular expressions": "SELECT count(*) FROM individual a, individual b, individual c, individual d "
    "WHERE regexp_matches(repeat(a.city || b.city, 500), '(x+x+)+y' || c.city || d.city)",
    "grouping": f"SELECT a.x || b.x || i.id360 || j.id360 || row_number() OVER (), count(*) FROM unnest({LONG}) a(x), unnest({LONG}) b(x), "
    "individual i, individual j GROUP BY ALL",
    "sorting": f"SELECT * FROM (SELECT a.x, b.x AS y, i.*, row_number() OVER (ORDER BY i.email, a.x, b.x) AS n "
    f"FROM unnest({LONG}) a(x), unnest({LONG}) b(x), individual i) WHERE n = 7",
    "many rows": f"SELECT a.x, b.x AS y, i.* FROM unnest({LONG}) a(x), unnest({LONG}) b(x), individual i",
    "aggregated lists": "SELECT list(list_resize([a.points], 1000)) FROM individual a, individual b, individual c, individual d",
    "json": "SELECT json_structure(repeat('[', 999) || a.points || repeat(']', 999)) "
    "FROM individual a, individual b, individual c, individual d, individual e",
    "padding": "SELECT length(lpad(city, 2000000000, 'x')) FROM individual",
    "huge text": "SELECT length(repeat(repeat(city, 30000), 30000)) FROM individual",
    "a method": "SELECT length(city.lpad(2000000000, 'x')) FROM individual",
    "formatting": "SELECT format('{:2000000000}', points) FROM individual",
    "base conversion": "SELECT to_base(9223372036854775807, 2, 2000000000) FROM individual",
    "resized list": "SELECT list_resize([points], 2000000000) FROM individual",
    "edit distance": "SELECT levenshtein(repeat('a', 200000), repeat('b', 200000))",
    "filter of a long text": "SELECT count(*) FROM individual WHERE first_name = repeat('x', 300000000)",
}
TIMEOUT = 1.5
SLACK = 6.0  # a vector is worked through before an interrupt is heard, and this machine is shared
STOPPED = {"C360_QUERY_TIMEOUT", "C360_OVER_MEMORY", "C360_OVER_ROWS", "C360_QUERY_FAILED", "C360_NOT_SUPPORTED", "C360_FUNCTION_REFUSED"}
RSS = 1 << 30  # the company's budget is 256 MiB for each room, and sources have theirs


def resident() -> int:
    """Bytes of memory that this process holds now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="the resident size is read from /proc")
def test_the_resident_size_is_seen() -> None:
    with Peak() as peak:
        held = b"x" * (100 << 20)
        time.sleep(0.1)
    assert 0.9 * len(held) < peak.grown < 2 * len(held)


class Peak:
    """The largest resident size of this process while it is entered, in bytes above that at the start."""

    def __enter__(self) -> Peak:
        self._done = threading.Event()
        self._seen = Path("/proc/self/statm").exists()
        self._start = self.most = resident() if self._seen else 0
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def _watch(self) -> None:
        while self._seen and not self._done.wait(0.01):
            self.most = max(self.most, resident())

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    @property
    def grown(self) -> int:
        return self.most - self._start


@pytest.mark.parametrize("form", FORMS)
def test_a_runaway_is_stopped(ana: Session, form: str) -> None:
    started = time.monotonic()
    with Peak() as peak, pytest.raises(C360Error) as caught:
        for batch in ana.sql(FORMS[form], timeout=TIMEOUT, max_rows=5_000_000):
            del batch
    assert caught.value.code in STOPPED
    assert time.monotonic() - started < TIMEOUT + SLACK
    assert peak.grown < RSS
    assert ana.sql("SELECT count(*) FROM individual").fetchone() == (30,)


def test_a_deadline_that_has_passed_before_the_query_begins(ana: Session) -> None:
    for timeout in (0.0001, 0.0):
        with pytest.raises(C360Error) as caught:
            ana.sql(FORMS["unnested lists"], timeout=timeout).fetchall()
        assert caught.value.code in {"C360_QUERY_TIMEOUT", "C360_SOURCE_TIMEOUT"}


def test_eight_runaways_at_once_leave_the_project_whole(twins: tuple[Project, Project]) -> None:
    session = twins[0].session("ana")
    codes: list[str] = []

    def run(sql: str) -> None:
        try:
            session.sql(sql, timeout=TIMEOUT).fetchall()
        except C360Error as error:
            codes.append(error.code)

    threads = [threading.Thread(target=run, args=(sql,)) for sql in list(FORMS.values())[:3] * 3][:8]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(TIMEOUT + 4 * SLACK)
        assert not thread.is_alive()
    assert len(codes) == 8
    assert set(codes) <= STOPPED
    assert session.sql("SELECT count(*) FROM individual").fetchone() == (30,)
    assert not twins[0].running


def test_cancel_reaches_a_runaway(twins: tuple[Project, Project]) -> None:
    project = twins[0]
    caught: list[str] = []

    def run() -> None:
        try:
            project.session("ana").sql(FORMS["cross join"], timeout=30).fetchall()
        except C360Error as error:
            caught.append(error.code)

    thread = threading.Thread(target=run)
    thread.start()
    started = time.monotonic()
    while not project.running and time.monotonic() - started < 5:
        time.sleep(0.01)
    time.sleep(0.2)
    for query_id in list(project.running):
        project.cancel(query_id)
    thread.join(SLACK)
    assert not thread.is_alive()
    assert caught == ["C360_CANCELLED"]
