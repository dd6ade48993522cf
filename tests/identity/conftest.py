"""What several files on incremental resolves start from."""

from __future__ import annotations

from pathlib import Path

import pytest
from batches import MODEL, SOURCES, sets
from people import strangers
from records import SECRET

from identity.engines import Engines
from identity.resolve import resolve
from identity.versions.store import CrosswalkStore


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model trained on so many records that not all of them are compared with all."""
    folder = tmp_path_factory.mktemp("trained")
    world = {(SOURCES[i % 2], i): row for i, row in enumerate(strangers(1500, 300))}
    engines = Engines(SECRET, {"individual": MODEL}, folder / "models")
    resolve(sets(world), {}, CrosswalkStore(folder / "state"), SECRET, engines=engines)
    engines.save()
    return folder / "models"


@pytest.fixture
def any_share(monkeypatch: pytest.MonkeyPatch) -> None:
    """Among few records a small batch touches many: go on with the index all the same."""
    monkeypatch.setattr("identity.incremental.resolving.MOST", 100.0)
