"""The crosswalk through kill -9, damage, other versions, two resolves at once, and a resolve under eight threads that query."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.spi.errors import C360Error
from federation.project import Project, connect
from tests.attack.company import make

KILLS = 20 if os.environ.get("C360_ATTACK_LONG") else 3
ROOT = Path(__file__).parents[2]
RESOLVE = "import sys; from federation.project import connect; connect(sys.argv[1]).resolve()"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    make(folder).close()
    return folder


@pytest.fixture
def project(made: Path, tmp_path: Path) -> Iterator[Project]:
    shutil.copytree(made, tmp_path / "world")
    with connect(tmp_path / "world" / "c360.yml") as opened:
        yield opened


def _file(project: Project) -> str:
    return str(Path(project.model.root) / "c360.yml")


def _start(project: Project) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, "-c", RESOLVE, _file(project)], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def _links(project: Project) -> list[tuple[object, ...]]:
    return project.session("root").sql("SELECT * FROM crosswalk ORDER BY ALL").fetchall()


def test_killed_at_any_moment_the_old_one_serves(project: Project) -> None:
    before, rng = _links(project), random.Random(3)
    whole = time.monotonic()
    _start(project).wait(60)
    whole = time.monotonic() - whole
    for _ in range(KILLS):
        child = _start(project)
        time.sleep(whole * rng.uniform(0.3, 1.0))
        child.send_signal(signal.SIGKILL)
        child.wait(30)
        with connect(_file(project)) as fresh:
            assert _links(fresh) == before
    assert project.resolve().ids
    assert _links(project) == before
    folder = Path(project.model.state) / "crosswalk"
    assert not list(Path(project.model.state).rglob("*.wal"))
    assert len(list(folder.iterdir())) < 30, sorted(p.name for p in folder.iterdir())


def test_two_resolves_at_once_leave_one_whole_crosswalk(project: Project) -> None:
    before = _links(project)
    children = [_start(project) for _ in range(2)]
    for child in children:
        child.wait(90)
    assert 0 in [c.returncode for c in children]
    with connect(_file(project)) as fresh:
        assert _links(fresh) == before
        fresh.resolve()
        assert _links(fresh) == before


def _versions(project: Project) -> list[Path]:
    return sorted(
        (p for p in (Path(project.model.state) / "crosswalk").iterdir() if p.suffix == ".duckdb"), key=lambda p: p.stat().st_mtime
    )


@pytest.mark.parametrize("damage", ["truncated", "zeros", "text", "empty", "flipped"])
def test_a_damaged_crosswalk_is_an_error_with_a_code_or_the_old_one(project: Project, damage: str) -> None:
    """Never wrong links: they are the right ones, or a coded error says to go back a version; from there resolve mends it."""
    before = _links(project)
    project.resolve()
    path = _file(project)
    newest = _versions(project)[-1]
    project.close()
    content = newest.read_bytes()
    half = len(content) // 2
    newest.write_bytes({
        "truncated": content[:half], "zeros": content[:4096] + bytes(len(content) - 4096), "text": b"not a database", "empty": b"",
        "flipped": content[:half] + bytes(b ^ 0xFF for b in content[half : half + 4096]) + content[half + 4096 :],
    }[damage])  # fmt: skip
    with connect(path) as fresh:
        try:
            assert _links(fresh) == before
        except C360Error as error:
            assert error.code == "C360_CROSSWALK_DAMAGED", error
        fresh.rollback(1)  # what the error says: links are built upon, never minted anew behind one's back
        fresh.resolve()
        assert _links(fresh) == before


def test_a_current_that_points_nowhere_or_to_the_future(project: Project) -> None:
    before, path = _links(project), _file(project)
    folder = Path(project.model.state) / "crosswalk"
    pointers = [p for p in folder.iterdir() if p.suffix != ".duckdb" and p.is_file()]
    project.close()
    for content in (b"", b"999999\n", b"../../etc/passwd", b"\xff\xfe"):
        for pointer in pointers:
            kept = pointer.read_bytes()
            pointer.write_bytes(content)
            with connect(path) as fresh:
                try:
                    assert _links(fresh) == before
                except C360Error as error:
                    assert error.code != "C360_INTERNAL", error
            pointer.write_bytes(kept)
    with connect(path) as fresh:
        assert _links(fresh) == before


def test_resolving_while_eight_threads_query(project: Project) -> None:
    """Every answer is whole, of one version or the next; the ids are the same in all."""
    session = project.session("ana")
    ids = session.sql("SELECT id360 FROM individual ORDER BY 1").fetchall()
    orders = session.sql("SELECT id360, order_number FROM sales_order ORDER BY ALL").fetchall()
    stop, wrong, asked = threading.Event(), [], []

    def ask(number: int) -> None:
        while not stop.is_set():
            try:
                if number % 2:
                    ok = session.sql("SELECT id360 FROM individual ORDER BY 1").fetchall() == ids
                elif number % 4:
                    ok = session.sql("SELECT id360, order_number FROM sales_order ORDER BY ALL").fetchall() == orders
                else:
                    ok = session.profile(ids[number][0]).id360 == ids[number][0]
            except Exception as error:
                wrong.append(repr(error))
                return
            asked.append(number)
            if not ok:
                wrong.append(f"thread {number} saw something else")

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for _ in range(2):
        project.resolve()
    stop.set()
    for thread in threads:
        thread.join(30)
    assert not wrong, wrong[:3]
    assert len(asked) > 8


APPLY = "import sys; from federation.project import connect; connect(sys.argv[1]).apply()"


def test_an_apply_killed_at_any_moment_can_be_repeated(project: Project) -> None:
    """Old or new, never half; and what was planned can still be applied, or was."""
    before, rng = _links(project), random.Random(5)
    project.decide("different", ("crm", "contact", 0), ("crm", "contact", 500), reason="two people")
    for _ in range(KILLS):
        made = project.plan()
        started = time.monotonic()
        child = subprocess.Popen([sys.executable, "-c", APPLY, _file(project)], env={**os.environ, "PYTHONPATH": str(ROOT)})
        time.sleep(rng.uniform(0.3, 1.2))
        child.send_signal(signal.SIGKILL)
        child.wait(30)
        with connect(_file(project)) as fresh:
            serves = fresh.store.current()
            assert serves and serves.version in (made.version, made.base), time.monotonic() - started
            if serves.version == made.base:
                assert fresh.apply().version == made.version
        after = _links(project)
        assert len(after) == len(before) and len({row[0] for row in after}) == len({row[0] for row in before}) + 1
        project.rollback(made.base)
        assert _links(project) == before
