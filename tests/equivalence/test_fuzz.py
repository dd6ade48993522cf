"""A slice of what `python -m tests.equivalence.fuzz` does at length."""

from __future__ import annotations

from importlib import import_module

import pytest

from tests.equivalence.fuzz import run
from tests.equivalence.oracle import LocalCopy
from tests.support.world import World


def test_random_queries(world: World) -> None:
    done = run(world, LocalCopy(world), count=120, seed=20, seconds=45, all_off=0.02)
    assert not done.differences, "\n\n".join(done.differences)
    assert done.queries >= 100
    assert done.refused < done.queries / 2


def test_random_queries_with_a_server(postgres_world: World) -> None:
    done = run(postgres_world, LocalCopy(postgres_world), count=60, seed=21, seconds=20, all_off=0)
    assert not done.differences, "\n\n".join(done.differences)


def test_a_wrong_pass_is_found(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The comparison can fail: filters pushed below survivorship change who survives."""
    monkeypatch.setattr(import_module("federation.passes.push_filters"), "Survived", ())
    world.project.forget_plans()
    done = run(world, LocalCopy(world), count=150, seed=22, seconds=30, all_off=0, first_only=True)
    world.project.forget_plans()
    assert done.differences
