"""Fixtures and options that several folders of tests share.

What is dear is made once in each worker, and tests only read it: `world` and `postgres_world` here (a resolved company over three
systems and over four), `sample` in tests/cli (what `c360 init` writes, resolved), `models` in tests/identity (a trained model), `twins`
in tests/attack. A test that changes a project makes its own, with `tests.support.world.make` or in `tmp_path`; `postgres.database` makes
a database of its own in the worker's one server.
"""

from __future__ import annotations

import pytest

from tests.support.postgres import postgres
from tests.support.world import postgres_world, world

__all__ = ["postgres", "postgres_world", "world"]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write expectations of tests/rewrite and tests/federation anew")
