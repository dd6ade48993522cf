"""What several files on incremental resolves start from."""

from __future__ import annotations

from pathlib import Path

import pytest
from batches import trained
from people import strangers


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model trained on so many records that not all of them are compared with all. Tests only read it."""
    return trained(tmp_path_factory.mktemp("trained"), strangers(1500, 300))


@pytest.fixture(scope="session")
def models_of_few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model trained on so few that they are. Tests only read it."""
    return trained(tmp_path_factory.mktemp("few"), strangers(400, 80))


@pytest.fixture
def any_share(monkeypatch: pytest.MonkeyPatch) -> None:
    """Among few records a small batch touches many: go on with the index all the same."""
    monkeypatch.setattr("identity.incremental.neighbourhood.MOST", 100.0)
