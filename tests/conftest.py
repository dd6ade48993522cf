"""Fixtures and options that several folders of tests share."""

from __future__ import annotations

import pytest

from tests.support.postgres import postgres
from tests.support.world import postgres_world, world

__all__ = ["postgres", "postgres_world", "world"]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write expectations of tests/rewrite and tests/federation anew")
