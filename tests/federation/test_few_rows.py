"""The short ways for few rows give what the long ways give."""

from __future__ import annotations

import time
from typing import Any

import pyarrow as pa
import pytest

from federation import statements, turns
from federation.report import size_of
from federation.source_sessions import SourceSessions
from tests.support.world import World

NOBODY = 7  # an id360 that was never given
VIEWS = ("individual", "individual_record", "sales_order", "crosswalk", "timeline")


@pytest.mark.parametrize("principal", ["root", "ana", "aud"])
@pytest.mark.parametrize("view", VIEWS)
def test_columns_that_no_mapping_gives_are_null_and_of_their_type(world: World, principal: str, view: str) -> None:
    """DISTINCT takes the user's room, where nothing is put in."""
    asking = world.project.session(principal)
    if asking.views.get(view) is None or asking.views.closed(view):
        pytest.skip(f"{principal} may not read {view}")
    for person in (*world.ids()[:20], NOBODY):
        short = asking.sql(f"SELECT * FROM {view} WHERE id360 = {person}").arrow()
        long = asking.sql(f"SELECT DISTINCT * FROM {view} WHERE id360 = {person}").arrow()
        assert short.schema == long.schema
        assert set(map(repr, short.to_pylist())) == set(map(repr, long.to_pylist()))


def test_a_column_that_no_mapping_gives_sorts_and_repeats(world: World) -> None:
    asking, ids = world.project.session("root"), world.ids()[:5]
    view = asking.views.get("individual")
    assert view is not None
    among = ", ".join(map(str, ids))
    for column in view.types:
        if column in view.hidden:
            continue
        short = asking.sql(f'SELECT "{column}" AS a, "{column}" AS a, id360 FROM individual WHERE id360 IN ({among})').arrow()
        assert short.column(0).equals(short.column(1)) and short.num_rows == len(ids)
        ordered = asking.sql(f'SELECT id360 FROM individual WHERE id360 IN ({among}) ORDER BY "{column}", id360').fetchall()
        assert sorted(row[0] for row in ordered) == sorted(ids)


@pytest.mark.parametrize("at_once", [False, True])
def test_in_turn_or_at_once(world: World, monkeypatch: pytest.MonkeyPatch, at_once: bool) -> None:
    person = world.ids()[3]
    asked = f"SELECT * FROM individual WHERE id360 = {person}"
    expected = world.project.session("root").sql(asked, passes_off=("narrow_ids",)).fetchall()
    monkeypatch.setattr(turns.Pace, "in_turn", lambda self, sources: () if at_once else tuple(sources))
    assert world.project.session("root").sql(asked).fetchall() == expected


def test_statements_are_kept_though_a_fetcher_is_still_giving_back(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """All rows have come: the run is over, and nothing of it is stopped."""
    made: list[object] = []
    done, make = SourceSessions.done, statements.Statement.__init__

    def slowly(self: SourceSessions, source: str) -> None:
        time.sleep(0.05)
        done(self, source)

    def counted(self: statements.Statement, *args: Any) -> None:
        made.append(self)
        make(self, *args)

    monkeypatch.setattr(turns.Pace, "in_turn", lambda self, sources: ())
    monkeypatch.setattr(SourceSessions, "done", slowly)
    monkeypatch.setattr(statements.Statement, "__init__", counted)
    asking = world.project.session("root")
    for person in world.ids()[:5]:
        asking.sql("SELECT email, city, status FROM individual WHERE id360 = $who", {"who": person}).fetchall()
    assert len(made) == 1


def test_nothing_in_nothing_out(world: World) -> None:
    asking = world.project.session("root")
    asked = "SELECT *, 1 AS one FROM individual WHERE id360 = $who"
    first, again = (asking.sql(asked, {"who": NOBODY}).arrow() for _ in range(2))
    assert first.num_rows == again.num_rows == 0 and first.schema == again.schema
    assert asking.sql(asked, {"who": world.ids()[0]}).arrow().num_rows == 1
    assert asking.sql("SELECT count(*) FROM individual WHERE id360 = $who", {"who": NOBODY}).fetchall() == [(0,)]


def test_the_size_of_a_slice_of_many_rows_is_its_own() -> None:
    many = pa.table({"n": pa.array(range(100_000), pa.int64())})
    assert size_of(many.slice(5, 2)) == 16
    assert size_of(many.slice(5, 2).combine_chunks()) in (16, 16 + 8)
    assert size_of(many) == 800_000
