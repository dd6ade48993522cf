"""Files of the state that this user may not use: what is told of them through the Python API."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import c360
from connectors.spi.errors import C360Error
from federation.errors import FileUnreadable, FileUnwritable

PROJECT = """\
version: 1
name: tiny
sources: {shop: {kind: files, tables: {customer: {path: customer.csv}}}}
mappings: [{object: individual, source: shop, table: customer, key: id, attributes: {email: mail, full_name: name}}]
identity: {individual: {model: standard, rules: [email]}}
"""

ASKED = """\
import os, sys, c360
from connectors.spi.errors import C360Error
asks = {
    "sql": lambda p: p.session().sql("SELECT count(*) FROM individual").fetchall(),
    "profile": lambda p: p.session().profile({"email": "a@x.example"}),
    "lag": lambda p: p.lag(),
    "why": lambda p: p.why(("shop", "customer", 1), ("shop", "customer", 2)),
    "decide": lambda p: p.decide("same", ("shop", "customer", 1), ("shop", "customer", 2), reason="r"),
    **{name: (lambda p, name=name: getattr(p, name)()) for name in ("resolve", "plan", "train", "apply", "rollback", "review")},
}
for asked in sys.argv[2:]:
    name, _, path = asked.partition(":")
    if path:
        before = os.stat(path).st_mode
        os.chmod(path, 0)
    with c360.connect(sys.argv[1]) as project:
        try:
            asks[name](project)
        except C360Error as error:
            print(asked, error.code, error.message)
    if path:
        os.chmod(path, before)
"""


@pytest.fixture(scope="module")
def resolved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tests change a copy: `tiny`."""
    folder = tmp_path_factory.mktemp("tiny")
    (folder / "c360.yml").write_text(PROJECT)
    (folder / "customer.csv").write_text("id,mail,name\n1,a@x.example,Ada Byron\n2,b@x.example,Bob Hall\n")
    with c360.connect(folder) as project:
        project.resolve()
    return folder


@pytest.fixture
def tiny(tmp_path: Path, resolved: Path) -> Path:
    return shutil.copytree(resolved, tmp_path, dirs_exist_ok=True)


@contextmanager
def closed(path: Path) -> Iterator[None]:
    before = path.stat().st_mode
    path.chmod(0)
    try:
        yield
    finally:
        path.chmod(before)


def asked(folder: Path, *names: str) -> dict[str, str]:
    """What each call told, by a user who is not root; after a colon the path that this user may not use meanwhile."""
    if os.geteuid() == 0 and shutil.which("setpriv") is None:
        pytest.skip("root may read everything, and there is no setpriv")
    plainly = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
    done = subprocess.run([*plainly, sys.executable, "-c", ASKED, str(folder), *names], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return dict(line.split(" ", 1) for line in done.stdout.splitlines())


def test_a_state_that_another_user_owns_has_a_code_in_python(tiny: Path) -> None:
    names = ("sql", "profile", "lag", "why", "decide", "review", "resolve", "plan", "train", "apply", "rollback")
    with closed(tiny / ".c360" / "crosswalk"):
        told = asked(tiny, *names)
    assert set(told) == set(names)
    assert {said.split()[0] for said in told.values()} <= {"C360_FILE_FORBIDDEN", "C360_CROSSWALK_UNWRITABLE"}, told
    assert told["sql"].startswith("C360_FILE_FORBIDDEN") and ".c360/crosswalk" in told["sql"]


def test_a_version_secret_or_model_of_another_user_is_not_called_broken(tiny: Path) -> None:
    (tiny / "decisions.jsonl").write_text("")
    state, decisions = tiny / ".c360", f"resolve:{tiny / 'decisions.jsonl'}"
    version, secret = f"sql:{state / 'crosswalk' / 'v000001.duckdb'}", f"resolve:{state / 'secret'}"
    models, model = (f"resolve:{path}" for path in (state / "models", state / "models" / "individual.json"))
    told = asked(tiny, version, secret, models, model, decisions)
    assert "may not open" in told[version]
    assert told[secret].startswith("C360_FILE_FORBIDDEN") and told[models].startswith("C360_FILE_FORBIDDEN")
    assert "individual.json cannot be read: Permission denied" in told[model]
    assert "decisions.jsonl cannot be read: Permission denied" in told[decisions]


def test_a_file_where_the_state_should_be(tiny: Path) -> None:
    shutil.rmtree(tiny / ".c360")
    (tiny / ".c360").write_text("")
    with c360.connect(tiny) as project:
        for ask in (project.resolve, project.plan, lambda: project.session().sql("SELECT id360 FROM individual"), project.lag):
            with pytest.raises(C360Error) as told:
                ask()
            assert type(told.value) is FileUnreadable and ".c360" in str(told.value), told.value


def test_a_model_that_cannot_be_kept_stops_a_resolve_before_it_publishes(tiny: Path) -> None:
    shutil.rmtree(tiny / ".c360" / "crosswalk")
    shutil.rmtree(models := tiny / ".c360" / "models")
    models.mkdir()
    draft = models / f".individual.json.{os.getpid()}.{threading.get_ident()}.tmp"
    draft.symlink_to("/dev/full")
    with c360.connect(tiny) as project:
        with pytest.raises(FileUnwritable) as told:
            project.resolve()
        assert "models/individual.json` cannot be written: No space left" in str(told.value)
        assert project.store.current() is None and list(models.iterdir()) == [], "nothing is published, and nothing left"
        assert project.resolve().version == 1 and [p.name for p in models.iterdir()] == ["individual.json"]


@pytest.mark.parametrize("incremental", [False, True])
def test_drafts_of_models_that_a_kill_left_are_removed(tiny: Path, incremental: bool) -> None:
    if incremental:
        (tiny / "c360.yml").write_text(PROJECT.replace("identity: {", "identity: {incremental: true, "))
    models = tiny / ".c360" / "models"
    with c360.connect(tiny) as project:
        project.resolve()
        for ask in (project.resolve, project.train):
            (left := models / ".individual.json.4711.1.tmp").write_text("{")
            os.utime(left, (1e9, 1e9))
            (former := models / "individual.tmp").write_text("{")
            os.utime(former, (1e9, 1e9))
            (written := models / ".individual.json.4712.1.tmp").write_text("{")  # just now, by another process
            ask()
            assert not left.exists() and not former.exists() and written.exists()
        assert (project.resolve().touched is not None) is incremental
