"""The test company under other mappings and policies than its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest
from sqlglot import parse_one

from federation.passes import NAMES
from federation.project import Project
from tests.support.world import World
from views.model import Policy

Changed = Callable[..., Project]


@pytest.fixture
def changed(world: World) -> Iterator[Changed]:
    """A project over the same sources and crosswalk with parts of its model replaced."""
    opened: list[Project] = []

    def change(**parts: Any) -> Project:
        opened.append(Project(replace(world.project.model, **parts)))
        return opened[-1]

    yield change
    for project in opened:
        with closing(project):
            pass


def test_a_policy_that_nothing_satisfies_as_well_as_its_value(world: World, changed: Changed) -> None:
    """`coalesce(job_title, 'none') = 'none'` is true of everybody where no source has a job title: nothing to search for."""
    kept = parse_one("coalesce(job_title, 'none') = 'none'", dialect="duckdb")
    asking = changed(policies=(Policy("untitled", ("individual",), filter=kept),)).session()
    asked = "SELECT count(*) FROM individual"
    assert asking.sql(asked).fetchall() == asking.sql(asked, passes_off=NAMES).fetchall() == [(len(world.ids()),)]


def test_rows_of_nobody_are_not_fetched_for_somebody(world: World, changed: Changed) -> None:
    mappings = [replace(m, link=None) if (m.object, m.source) == ("sales_order", "shop") else m for m in world.project.model.mappings]
    asking = changed(mappings=tuple(mappings), policies=()).session()
    answer = asking.sql("SELECT * FROM sales_order WHERE id360 = ?", [world.ids()[3]])
    assert "shop" not in {f.source for f in answer.report.fragments}
    assert (None,) in asking.sql("SELECT DISTINCT id360 FROM sales_order").fetchall()
