"""A first resolve, or a rollback, that is killed: the version that serves and the model in use belong together."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

import c360
from federation.cli.app import run
from identity.versions.models import in_use

KILLED = """
import os, signal, sys
import c360
from identity.versions.store import CrosswalkStore
publish = CrosswalkStore.publish
def cut(*told):
    if sys.argv[3] == "after":
        publish(*told)
    os.kill(os.getpid(), signal.SIGKILL)
CrosswalkStore.publish = cut
getattr(c360.connect(sys.argv[1]), sys.argv[2])()
"""


def killed(folder: Path, work: str, when: str) -> None:
    """A method of the project, in a process that is killed before or after the version serves."""
    done = subprocess.run([sys.executable, "-c", KILLED, str(folder), work, when])
    assert done.returncode == -signal.SIGKILL


@pytest.mark.parametrize("when", ["before", "after"])
def test_no_model_is_in_use_unless_its_version_serves(tmp_path: Path, when: str) -> None:
    folder = tmp_path / "project"
    assert run(["init", "-q", str(folder)]) == 0
    killed(folder, "resolve", when)
    models = folder / ".c360" / "models"
    with c360.connect(folder) as project:
        assert in_use(models) == {}
        served = project.store.current()
        assert (served is None) is (when == "before")
        uses = project.resolve().models
        assert uses and {use.trained for use in uses} == {when == "before"}, "it learns anew; or goes by what the version was made with"
        current = project.store.current()
        assert current is not None and in_use(models) == current.models == (served.models if served else current.models)


@pytest.mark.parametrize("when", ["before", "after"])
def test_no_version_serves_with_another_s_model_in_use(tmp_path: Path, when: str) -> None:
    """What the next resolve would make of it is nobody's wish: it would undo the rollback."""
    folder = tmp_path / "project"
    assert run(["init", "-q", str(folder)]) == 0
    models = folder / ".c360" / "models"
    with c360.connect(folder) as project:
        project.resolve()
        first = in_use(models)
        with sqlite3.connect(folder / "data" / "crm.sqlite") as crm:
            crm.execute("DELETE FROM contact WHERE id > 3")
        crm.close()
        project.train()
        project.resolve()
        assert in_use(models) != first
        killed(folder, "rollback", when)
        if when == "before":
            project.rollback()
        current = project.store.current()
        assert current is not None and (current.restores, current.models) == (1, first) and in_use(models) == first
