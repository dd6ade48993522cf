"""Values at the edge of what a parameter can be: compared where they can be, never rounded, never an error of Python's own."""

from __future__ import annotations

import math
from decimal import Decimal

import pytest

from federation.passes import NAMES
from tests.support.world import World

CONDITIONS = (
    "status = 'PAID' COLLATE NOCASE", "status IN ('PAID' COLLATE NOCASE, 'open')", "ordered_at < 'infinity'::TIMESTAMP",
    "ordered_at < '20000-01-01'", "ordered_at > TIMESTAMP '0044-03-15 (BC)'",
)  # fmt: skip
BOUND = (2**70, 2**63, -(2**63), Decimal("1e-50"), Decimal("NaN"), math.nan, math.inf, None)


def _same(world: World, asked: str, values: list[object]) -> None:
    asking = world.project.session("root")
    assert asking.sql(asked, values).fetchall() == asking.sql(asked, values, passes_off=NAMES).fetchall()


@pytest.mark.parametrize("condition", CONDITIONS)
def test_written(world: World, condition: str) -> None:
    _same(world, f"SELECT count(*) FROM sales_order WHERE {condition}", [])


@pytest.mark.parametrize("value", BOUND, ids=repr)
def test_bound(world: World, value: object) -> None:
    _same(world, "SELECT count(*) FROM sales_order WHERE total_amount > ?", [value])
