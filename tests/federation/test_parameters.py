"""Parameters of a text stand for what they stand for in DuckDB itself, whatever they stand beside."""

from __future__ import annotations

import datetime as dt

import duckdb
import pytest

from federation.gateway import parse
from federation.parameters import by_position, positional
from tests.support.world import World

NAMED = """
    SELECT $a || $b, [$a,$b]
    SELECT $a||$b||'$a,$b'
    SELECT 1 WHERE $a IN ($a,$b)
    SELECT $x::JSON->>'$.k', ($x)->>'$.k', $a::VARCHAR
    SELECT $a,'$.k',$b /* $a,$b */ -- $a,$b
    SELECT $tag$ $a,$b $tag$, $$ $a,$b $$, $a,$b
    SELECT E'\\'$a,$b', "$a,$b", $a,$b FROM (SELECT 1 AS "$a,$b")
    SELECT a$a,b$b,$a,$b FROM (SELECT 1 AS a$a, 2 AS b$b)
""".strip().splitlines()
BY_POSITION = ["SELECT ?::INTEGER + ?::INTEGER, '?::'", "SELECT $1+$2, $2-$1", "SELECT [?,?]", "SELECT ?1::INTEGER-?2::INTEGER"]


@pytest.mark.parametrize("sql", NAMED)
def test_named_ones_side_by_side(sql: str) -> None:
    given = {"a": "x", "b": "y", "x": '{"k": 1}'}
    values = {name: value for name, value in given.items() if f"${name}" in duckdb_names(sql)}
    assert (
        duckdb.execute(parse(by_position(sql + "\n")).sql("duckdb", comments=False), values).fetchall()
        == duckdb.execute(sql, values).fetchall()
    )


def duckdb_names(sql: str) -> set[str]:
    """The parameters that DuckDB finds in a text."""
    (statement,) = duckdb.extract_statements(sql)
    return {f"${name}" for name in statement.named_parameters}


@pytest.mark.parametrize("sql", BY_POSITION)
def test_those_by_position_side_by_side(sql: str) -> None:
    named = {positional(1): 5, positional(2): 3}
    assert duckdb.execute(parse(by_position(sql)).sql("duckdb"), named).fetchall() == duckdb.execute(sql, [5, 3]).fetchall()


def test_a_kept_plan_asks_the_same_each_time(world: World) -> None:
    asked = []
    for _ in range(4):
        answer = world.project.session("root").sql("SELECT id360 FROM individual WHERE birth_date = $born", {"born": dt.date(1980, 1, 1)})
        answer.fetchall()
        asked.append(sorted(fragment.sql for fragment in answer.report.fragments))
    assert any("birth" in sql or "born" in sql for sql in asked[0])
    assert asked[1:] == asked[:1] * 3
