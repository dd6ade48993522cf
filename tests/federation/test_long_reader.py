"""A process that reads for long, while others resolve: it sees each new version, and lets go of the old ones."""

from __future__ import annotations

import re
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

import c360
from federation.cli.app import run
from tests.support.elsewhere import Elsewhere


@pytest.fixture(scope="module")
def other() -> Iterator[Elsewhere]:
    with Elsewhere() as started:
        yield started


def open_versions(folder: Path) -> set[int]:
    """Versions of a project's crosswalk of which this process has the file open, deleted or not."""
    links = []
    for handle in Path("/proc/self/fd").iterdir():
        try:
            links.append(str(handle.readlink()))
        except FileNotFoundError:  # the handle by which the folder itself was read
            continue
    return {int(found[1]) for link in links if link.startswith(str(folder)) and (found := re.search(r"/v(\d{6})\.duckdb", link))}


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="Linux tells which files a process has open")
def test_old_versions_are_let_go_but_those_that_an_answer_still_reads(tmp_path: Path, other: Elsewhere) -> None:
    folder = tmp_path / "project"
    assert run(["init", "-q", str(folder)]) == 0
    resolve = ("resolve", "-q", "-p", folder)
    assert other(*resolve).code == 0
    with c360.connect(folder) as project:
        session = project.session()
        many = ", ".join(f"individual_record {name}" for name in "abcde")
        unread = session.sql(f"SELECT a.id360 FROM {many}", timeout=3600)
        seen = []
        for _ in range(5):
            assert session.sql("SELECT count(*) FROM individual").fetchall() == [(9,)]
            assert session.profile({"email": "ada@example.org"}).id360 is not None
            answer = session.sql("SELECT count(*) FROM individual_record")
            assert answer.fetchall() == [(15,)]
            seen.append(answer.report.crosswalk_version)
            assert other(*resolve).code == 0
        assert seen == [1, 2, 3, 4, 5]
        assert open_versions(folder) == {1, 4, 5}
        assert unread.arrow().num_rows == 15**5
        assert open_versions(folder) == {4, 5}


def test_a_state_that_was_restored_is_read_though_its_numbers_were_there_before(tmp_path: Path, other: Elsewhere) -> None:
    """The version made after the backup had the number that the one made after the restore has now."""
    folder, backup = tmp_path / "project", tmp_path / "backup"
    assert run(["init", "-q", str(folder)]) == 0
    resolve = ("resolve", "-q", "-p", folder)
    asked = "SELECT id360, source, source_table, key FROM individual_record ORDER BY ALL"

    def leave(record: int) -> None:
        """A record is no longer like any other."""
        with sqlite3.connect(folder / "data" / "crm.sqlite") as crm:
            crm.execute(
                f"UPDATE contact SET first_name = 'Zed', last_name = 'Zork', email_address = 'z@z.org', phone = NULL WHERE id = {record}"
            )
        crm.close()
        assert other(*resolve).code == 0

    assert other(*resolve).code == 0
    shutil.copytree(folder / ".c360", backup)
    shutil.copyfile(folder / "data" / "crm.sqlite", tmp_path / "crm.sqlite")
    with c360.connect(folder) as project:
        leave(2)
        before = project.session().sql(asked).fetchall()
        shutil.rmtree(folder / ".c360")
        shutil.copytree(backup, folder / ".c360")
        shutil.copyfile(tmp_path / "crm.sqlite", folder / "data" / "crm.sqlite")
        leave(3)
        after = project.session().sql(asked)
        assert after.report.crosswalk_version == 2
        with c360.connect(folder) as fresh:
            right = fresh.session().sql(asked).fetchall()
        assert before != right and after.fetchall() == right
