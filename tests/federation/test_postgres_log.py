"""What PostgreSQL itself says it was asked: the server's own log, not our report."""

from __future__ import annotations

import re

import pytest

from tests.support.world import World


def asked(world: World, sql: str, params: object = None, who: str = "root") -> list[str]:
    """The SELECTs over tables that reached the server while the query ran."""
    assert world.postgres is not None
    session = world.project.session(who)
    session.sql(sql, params).arrow()  # planned, connected, types known
    with world.postgres.statements(world.database) as seen:
        session.sql(sql, params).arrow()
    return [s for s in seen if re.search(r'FROM "?public"?\."?(holder|invoice)', s)]


def test_an_id_reaches_it_as_a_key(postgres_world: World) -> None:
    session = postgres_world.project.session("root")
    known = session.sql("SELECT id360 FROM crosswalk WHERE source = 'billing' ORDER BY 1 LIMIT 1").fetchone()
    assert known is not None
    (statement,) = asked(postgres_world, "SELECT city FROM individual WHERE id360 = ?", [known[0]])
    assert re.search(r'WHERE .*"no" = ', statement)
    assert "rating" not in statement, "only what is read"


def test_who_has_no_key_there_is_not_looked_for(postgres_world: World) -> None:
    session = postgres_world.project.session("root")
    known = session.sql("SELECT DISTINCT id360 FROM crosswalk WHERE source = 'billing'").fetchall()
    other = next(i for i in postgres_world.ids() if (i,) not in known)
    assert asked(postgres_world, "SELECT city FROM individual WHERE id360 = ?", [other]) == []


def test_a_branch_that_has_no_row_is_not_asked(postgres_world: World) -> None:
    assert asked(postgres_world, "SELECT count(*) FROM sales_order WHERE _source = 'shop'") == []
    assert asked(postgres_world, "SELECT count(*) FROM timeline AS t WHERE t.kind = 'case'") == []


def test_a_filter_is_bound_not_written(postgres_world: World) -> None:
    (statement,) = asked(
        postgres_world, "SELECT total_amount FROM sales_order WHERE status = 'paid' AND total_amount > 10 AND _source = 'billing'"
    )
    assert re.search(r'WHERE .*"state".* = ', statement)
    assert '"total"' in statement
    assert "paid" not in statement


def test_candidates_then_keys(postgres_world: World) -> None:
    session = postgres_world.project.session("root")
    email = session.sql("SELECT email FROM individual WHERE email__source = 'billing' ORDER BY 1 LIMIT 1").fetchone()
    assert email is not None
    statements = asked(postgres_world, "SELECT city FROM individual WHERE email = ?", [email[0]])
    assert len(statements) == 2
    assert re.search(r'WHERE .*"email".* = ', statements[0])
    assert re.search(r'WHERE .*"no" = ', statements[1])


def test_top_n_is_its_own_to_find(postgres_world: World) -> None:
    (statement,) = asked(postgres_world, "SELECT ordered_at FROM sales_order WHERE _source = 'billing' ORDER BY ordered_at LIMIT 3")
    assert re.search(r'ORDER BY .*"issued".*LIMIT 3', statement)


def test_a_masked_value_is_not_searched_for(postgres_world: World) -> None:
    statements = asked(postgres_world, "SELECT id360 FROM individual WHERE email = 'p1@x.co'", who="ana")
    assert statements
    assert not any("WHERE" in s and '"email"' in s.split("WHERE")[1] for s in statements)


@pytest.mark.parametrize("asked_twice", ["SELECT count(*) FROM sales_order AS o JOIN individual AS i ON i.id360 = o.id360"])
def test_two_fragments_see_one_snapshot(postgres_world: World, asked_twice: str) -> None:
    assert postgres_world.postgres is not None
    with postgres_world.postgres.statements(postgres_world.database) as seen:
        postgres_world.project.session("root").sql(asked_twice).arrow()
    begun = [s for s in seen if s.upper().startswith(("BEGIN", "START"))]
    assert any("REPEATABLE READ" in s.upper() for s in begun), seen
