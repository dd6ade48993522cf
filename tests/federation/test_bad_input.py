"""What goes wrong while records are resolved, through the project file: a coded error or a plain report, and nothing lost.

an attribute of the wrong type         test_bad_columns; test_models.test_a_value_that_is_no_date…
an all-NULL column                     test_bad_columns.test_a_column_without_any_value…; test_models.test_a_column_that_is_always_empty…
a rule that puts all into one block    test_a_rule_that_puts_everybody…; of a model: test_models.test_one_value_on_everybody…
a source that fails in mid-read        test_models.test_a_source_that_fails_in_mid_read…; while another process writes: test_watermark
contradictory steward decisions        test_contradictory_decisions…
a power cut during apply               test_an_apply_that_a_power_cut_ends…, test_a_resolve_that_a_power_cut_ends…
two resolves at once                   test_of_two_resolves_at_once…, test_two_processes_that_resolve_for_the_first_time…
a model file for another schema        test_models.test_a_model_for_other_attributes…, test_a_broken_model_file…
"""

from __future__ import annotations

import json
import multiprocessing
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from faker import Faker

import c360
from connectors.spi.errors import C360Error
from identity.errors import ContradictoryDecisions, DecisionsFile, ResolveRunning
from identity.versions.models import in_use
from identity.versions.store import CrosswalkStore

PROJECT = """
version: 1
name: bad
sources: {crm: {kind: sqlite, path: crm.db}}
mappings:
  - {object: individual, source: crm, table: person, key: id, attributes: {first_name: given, last_name: family, email: mail, city: town}}
identity: {individual: {model: standard%s}}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """300 people, 100 of them twice, all of one town."""
    fake = Faker("en_GB")
    fake.seed_instance(8)
    people = [(fake.first_name(), fake.last_name(), fake.unique.email(), "Onetown") for _ in range(300)]
    with sqlite3.connect(tmp_path / "crm.db") as con:
        con.execute("CREATE TABLE person (id INTEGER PRIMARY KEY, given TEXT, family TEXT, mail TEXT, town TEXT)")
        con.executemany("INSERT INTO person VALUES (?, ?, ?, ?, ?)", [(i, *row) for i, row in enumerate(people + people[:100], 1)])
    con.close()
    (tmp_path / "c360.yml").write_text(PROJECT % "")
    return tmp_path


@pytest.fixture
def project(folder: Path) -> Iterator[c360.Project]:
    with c360.connect(folder) as opened:
        yield opened


def models(folder: Path) -> Path:
    return folder / ".c360" / "models"


def links(project: c360.Project) -> list[tuple[object, ...]]:
    return project.session().sql("SELECT key, id360 FROM crosswalk ORDER BY ALL").fetchall()


def test_a_rule_that_puts_everybody_into_one_block_is_told_capped_and_the_rest_goes_on(folder: Path) -> None:
    (folder / "c360.yml").write_text(PROJECT % ", rules: [city, email]")
    with c360.connect(folder) as project:
        report = project.resolve()
        (shared,) = report.shared
        assert (shared.rule, shared.records) == ("city", 400) and 295 <= report.ids <= 300
        (told,) = [item for item in project.review(100, ["shared value"]) if "city" in item.detail]
        assert told.records == 400 and "Onetown" not in told.detail


def test_contradictory_decisions_are_named_and_refused_before_anything_is_read(folder: Path, project: c360.Project) -> None:
    project.resolve()
    before, said = links(project), (folder / "decisions.jsonl")
    project.decide("same", ("crm", "person", 1), ("crm", "person", 2), reason="twins, no: one")
    project.decide("same", ("crm", "person", 2), ("crm", "person", 3), reason="one")
    with pytest.raises(ContradictoryDecisions, match=r"same crm\.person:1"):
        project.decide("different", ("crm", "person", 1), ("crm", "person", 3), reason="two")
    line = said.read_text().splitlines()[0].replace('"same"', '"different"')
    said.write_text(said.read_text() + line + "\n")
    with pytest.raises(DecisionsFile, match=":3 has the id of another"):
        project.resolve()
    line = json.dumps({**json.loads(line), "id": "0ddba11e"})  # as two branches of git would be merged
    said.write_text("\n".join([*said.read_text().splitlines()[:2], line]) + "\n")
    (folder / "crm.db").rename(folder / "gone.db")
    for work in (project.resolve, project.plan):
        with pytest.raises(ContradictoryDecisions, match="cannot all hold"):
            work()
    (folder / "gone.db").rename(folder / "crm.db")
    assert links(project) == before


HOLD = """
import sys
from identity.versions.store import CrosswalkStore
with CrosswalkStore(sys.argv[1]).locked():
    print("held", flush=True)
    sys.stdin.read()
"""


def test_of_two_resolves_at_once_one_is_refused_and_nothing_changes(folder: Path, project: c360.Project) -> None:
    project.resolve()
    before, model = links(project), in_use(models(folder))
    other = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(project.store.directory)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdout is not None and other.stdout.readline() == "held\n"
    try:
        for work in (project.resolve, project.plan, project.train, project.rollback):
            with pytest.raises(ResolveRunning):
                work()
    finally:
        other.communicate(timeout=30)
    assert links(project) == before and in_use(models(folder)) == model
    assert project.resolve().version == 2


def _resolve(folder: str, results: multiprocessing.SimpleQueue[str]) -> None:
    try:
        with c360.connect(folder) as project:
            results.put(f"version {project.resolve().version}")
    except C360Error as error:
        results.put(error.code)


def test_two_processes_that_resolve_for_the_first_time_leave_one_model_and_one_secret(folder: Path) -> None:
    context = multiprocessing.get_context("spawn")
    results = context.SimpleQueue()
    both = [context.Process(target=_resolve, args=(str(folder), results)) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join(60)
    told = sorted(results.get() for _ in both)
    assert told in (["C360_RESOLVE_RUNNING", "version 1"], ["version 1", "version 2"])
    with c360.connect(folder) as project:
        assert project.store.current().models == in_use(models(folder))  # type: ignore[union-attr]
        before = links(project)
        assert not project.resolve().models[0].trained and links(project) == before


def test_a_resolve_that_a_power_cut_ends_leaves_what_was(project: c360.Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the version serves: then its model is not in use either (test_killed kills it before and after)."""

    def cut(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(CrosswalkStore, "publish", cut)
        with pytest.raises(KeyboardInterrupt):
            project.resolve()
    assert project.store.current() is None
    report = project.resolve()
    assert report.version == 1 and report.models[0].trained
    before = links(project)
    shutil.rmtree(Path(project.model.state) / "models")
    assert not project.resolve().models[0].trained and links(project) == before, "the model of a version that serves is not lost"


def test_an_apply_that_a_power_cut_ends_is_finished_by_the_next(
    folder: Path, project: c360.Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.resolve()
    with sqlite3.connect(folder / "crm.db") as con:
        con.execute("DELETE FROM person WHERE id > 350")
    con.close()
    planned, before = project.plan(), links(project)
    replace, steps = Path.replace, []

    def cut(path: Path, target: Path) -> Path:
        """The power goes before the nth file takes its place: the version, what points at it."""
        steps.append(target.name)
        if len(steps) == nth:
            raise KeyboardInterrupt
        return replace(path, target)

    for nth in (1, 2):
        steps.clear()
        with monkeypatch.context() as patched:
            patched.setattr(Path, "replace", cut)
            with pytest.raises(KeyboardInterrupt):
                project.apply()
        assert len(steps) == nth and links(project) == before
    assert project.apply().version == planned.version == project.store.current().version  # type: ignore[union-attr]
    assert len(links(project)) == 350
