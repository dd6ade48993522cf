"""Two companies that agree on all that `ana` may see, and one session of hers with each."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from federation.project import Project
from federation.session import Session
from tests.attack.company import make

Twins = tuple[Project, Project]


@pytest.fixture(scope="session")
def twins(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Twins]:
    folder = tmp_path_factory.mktemp("twins")
    first, second = make(folder / "world0", 0), make(folder / "world1", 1)
    yield first, second
    first.close()
    second.close()


@pytest.fixture(scope="session")
def anas(twins: Twins) -> tuple[Session, Session]:
    return twins[0].session("ana"), twins[1].session("ana")


@pytest.fixture
def ana(anas: tuple[Session, Session]) -> Session:
    return anas[0]


@pytest.fixture
def root(twins: Twins) -> Session:
    return twins[0].session("root")
