"""Fixtures that several folders of tests share."""

from __future__ import annotations

from tests.support.postgres import postgres
from tests.support.world import postgres_world, world

__all__ = ["postgres", "postgres_world", "world"]
