"""The command line is run in this process, as `c360` would be: its exit code, what it printed, what it said on stderr."""

from __future__ import annotations

from pathlib import Path

import pytest

from federation.cli.app import run
from tests.support.command import Cli, Said


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Cli:
    def call(*args: object, project: Path | None = None) -> Said:
        capsys.readouterr()
        code = run([*map(str, args), *(["--project", str(project)] if project else [])])
        out, err = capsys.readouterr()
        return Said(code, out, err)

    return call


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `c360 init` writes, resolved. Tests only read it."""
    folder = tmp_path_factory.mktemp("sample") / "project"
    assert run(["init", "-q", str(folder)]) == 0
    assert run(["resolve", "-q", "--project", str(folder)]) == 0
    return folder
