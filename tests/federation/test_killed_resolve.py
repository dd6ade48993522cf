"""A first resolve that is killed: a model is in use only if the version that was made with it serves."""

from __future__ import annotations

import signal
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
    if sys.argv[2] == "after":
        publish(*told)
    os.kill(os.getpid(), signal.SIGKILL)
CrosswalkStore.publish = cut
c360.connect(sys.argv[1]).resolve()
"""


@pytest.mark.parametrize("when", ["before", "after"])
def test_no_model_is_in_use_unless_its_version_serves(tmp_path: Path, when: str) -> None:
    folder = tmp_path / "project"
    assert run(["init", "-q", str(folder)]) == 0
    done = subprocess.run([sys.executable, "-c", KILLED, str(folder), when])
    assert done.returncode == -signal.SIGKILL
    models = folder / ".c360" / "models"
    with c360.connect(folder) as project:
        assert in_use(models) == {}
        served = project.store.current()
        assert (served is None) is (when == "before")
        uses = project.resolve().models
        assert uses and {use.trained for use in uses} == {when == "before"}, "it learns anew; or goes by what the version was made with"
        current = project.store.current()
        assert current is not None and in_use(models) == current.models == (served.models if served else current.models)
