"""What several files on incremental resolves start from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from batches import MODEL, SOURCES, sets
from people import Row, strangers
from records import SECRET

from identity.engines import Engines
from identity.resolve import resolve
from identity.versions.store import CrosswalkStore


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model trained on so many records that not all of them are compared with all. Tests only read it."""
    return trained(tmp_path_factory.mktemp("trained"), strangers(1500, 300))


@pytest.fixture(scope="session")
def models_of_few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model trained on so few that they are. Tests only read it."""
    return trained(tmp_path_factory.mktemp("few"), strangers(400, 80))


def trained(folder: Path, people: Sequence[Row]) -> Path:
    world = {(SOURCES[i % 2], i): row for i, row in enumerate(people)}
    engines = Engines(SECRET, {"individual": MODEL}, folder / "models")
    resolve(sets(world), {}, CrosswalkStore(folder / "state"), SECRET, engines=engines)
    engines.save()
    return folder / "models"


@pytest.fixture
def any_share(monkeypatch: pytest.MonkeyPatch) -> None:
    """Among few records a small batch touches many: go on with the index all the same."""
    monkeypatch.setattr("identity.incremental.neighbourhood.MOST", 100.0)
