"""Passes buy speed, never meaning: any subset of them gives the same rows, and the same as over local copies of everything."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from federation.errors import PolicyRefused
from federation.passes import NAMES, PASSES
from federation.passes.prune_columns import prune_columns
from federation.session import Session, bound
from tests.equivalence.corpus import Case, read
from tests.equivalence.oracle import LocalCopy, Rows, comparable, subsets
from tests.support.world import World

CASES = read(Path(__file__).with_name("queries.sql"))
ALL = [pytest.param(case, principal, id=f"{case.title} ({principal})") for case in CASES for principal in case.principals]
SUBSETS = [s for s in subsets(seed=11, random_ones=8) if "prune_columns" not in s]
FULL = bool(os.environ.get("C360_TEST_FULL"))
"""Every subset for every query: some minutes. Otherwise each query gets a few, in turn, so that all are seen."""


@pytest.fixture(scope="module")
def local(world: World) -> LocalCopy:
    return LocalCopy(world)


def session_of(world: World, principal: str) -> Session:
    return world.project.session(None if principal == "local" else principal)


def picked(number: int) -> tuple[str, ...]:
    return SUBSETS[number % len(SUBSETS)]


def shaped(rows: Rows, case: Case) -> object:
    return len(rows) if case.rows == "count" else comparable(rows, ordered=case.rows == "ordered")


@pytest.mark.parametrize(("case", "principal"), ALL)
def test_the_corpus(world: World, local: LocalCopy, case: Case, principal: str) -> None:
    session, params = session_of(world, principal), case.values(local.ids)
    answer = session.sql(case.sql, params)
    right = shaped(answer.fetchall(), case)
    if case.text:
        assert right == shaped(local.sql(session, case.sql, params), case), "differs from DuckDB over local copies"
    number = CASES.index(case)
    chosen = subsets(11, 8) if FULL else [NAMES, picked(number)] if principal == case.principals[0] else [picked(number + 1)]
    for off in chosen:
        other = session.sql(case.sql, params, passes_off=off)
        assert shaped(other.fetchall(), case) == right, f"differs without {', '.join(off)}"
        assert other.schema == answer.schema, f"other types without {', '.join(off)}"


@pytest.mark.parametrize(("case", "principal"), [p for p in ALL if p.values[1] == "root"])
def test_every_state_is_sql_that_runs(world: World, local: LocalCopy, case: Case, principal: str) -> None:
    """After each single pass the state, printed as one statement, yields the same rows. (Columns first: it makes the others quick.)"""
    session, params = session_of(world, principal), case.values(local.ids)
    right, before = None, ""
    state, context, _ = local.planner.plan_state(case.sql, bound(params), session.views, local.crosswalk, NAMES)
    for rewrite in (prune_columns, *(p for p in PASSES if p is not prune_columns)):
        state = rewrite(state, context)
        printed = local.printed(state)
        if printed == before:
            continue
        rows = shaped(local.state(state, params), case)
        assert right is None or rows == right, f"{rewrite.__name__} changed the rows"
        right, before = rows, printed


def test_subsets_cover_every_pass() -> None:
    assert {name for number in range(len(CASES)) for name in picked(number)} | {"prune_columns"} == set(NAMES)
    assert len(CASES) >= 60


def test_auditors_may_not_read_cases(world: World) -> None:
    with pytest.raises(PolicyRefused):
        world.project.session("aud").sql("SELECT count(*) FROM support_case")
