"""Versions of the crosswalk: published whole or not at all, read by many, damaged files told from good ones."""

from __future__ import annotations

import gc
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import duckdb
import pytest
from records import RULES, SECRET, record_set

from identity.crosswalk import Crosswalk
from identity.errors import CrosswalkDamaged, CrosswalkKey, CrosswalkVersion, MissingEncryption, ResolveRunning
from identity.model import MatchKey
from identity.resolve import resolve
from identity.versions.rollback import rollback
from identity.versions.store import CrosswalkStore
from tests.support.encryption import needs_encryption

HERE = Path(__file__).parent


@pytest.fixture
def store(tmp_path: Path) -> CrosswalkStore:
    return CrosswalkStore(tmp_path / "crosswalk")


def publish(store: CrosswalkStore, *emails: str) -> Crosswalk:
    rows = [{"k0": k, "email": email} for k, email in enumerate(emails)]
    resolve([record_set(rows)], RULES, store, SECRET, identifiers={"individual": {"email": MatchKey("email", "email")}})
    crosswalk = store.current()
    assert crosswalk
    return crosswalk


def test_versions_are_published_kept_and_pruned(tmp_path: Path) -> None:
    store = CrosswalkStore(tmp_path, keep=2)
    assert store.current() is None
    first = publish(store, "a@x.de")
    assert store.current() is first
    for _ in range(4):
        publish(store, "a@x.de", "b@x.de")
    assert store.versions() == (1, 4, 5), "the first is still open in this process"
    assert len(first.lookup(next(iter(ids(first))))) == 1
    del first
    publish(store, "a@x.de")
    assert store.versions() == (5, 6)
    back = rollback(store, 5)
    assert (back.version, back.restores, store.versions()) == (7, 5, (5, 6, 7))
    assert publish(store, "a@x.de").version == 8, "a number is never given twice"


def ids(crosswalk: Crosswalk) -> list[int]:
    con = crosswalk._connect()
    return [row[0] for row in con.execute(f"SELECT id360 FROM xw.{crosswalk.links[0].name} ORDER BY ord").fetchall()]


KILLED = """
import os, pathlib, sys
sys.path.insert(0, sys.argv[1])
from killed import arm, mine
from records import RULES, SECRET, record_set
from identity import resolve as resolving, run
from identity.versions import store
from identity.versions.store import CrosswalkStore

run.write_links, run.write_identifiers = mine(run.write_links), mine(run.write_identifiers)
store.sync = mine(store.sync)
pathlib.Path.replace = mine(pathlib.Path.replace)
pathlib.Path.write_text = mine(pathlib.Path.write_text)
rows = [{"k0": k, "email": f"p{k}@x.de"} for k in range(500)]
for at, directory in enumerate(sys.argv[2:]):
    process = os.fork()
    if not process:
        arm(at)
        resolving.resolve([record_set(rows), record_set(rows, "shop")], RULES, CrosswalkStore(directory), SECRET)
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), flush=True)
"""
POINTS = range(11)


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[int], list[CrosswalkStore], list[int]]:
    """The ids of a version; per point its store, in which a resolve was killed there; and how each resolve ended: -9 killed, 0 published.
    One process imports all and forks the others: nearly all of their time would be imports."""
    folder = tmp_path_factory.mktemp("killed")
    before = ids(publish(CrosswalkStore(folder / "old"), "a@x.de"))
    stores = [CrosswalkStore(shutil.copytree(folder / "old", folder / str(at))) for at in POINTS]
    command = [sys.executable, "-c", KILLED, str(HERE), *(str(store.directory) for store in stores)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=HERE.parent.parent, check=False)
    ends = [int(line) for line in done.stdout.split()]
    assert len(ends) == len(POINTS) and set(ends) == {-9, 0}, done.stderr
    return before, stores, ends


@pytest.mark.parametrize("at", POINTS)
def test_killed_at_any_point_the_old_version_serves_or_the_new_one(
    killed: tuple[list[int], list[CrosswalkStore], list[int]], at: int
) -> None:
    """The points: after each write of a table, around each fsync, rename and write of the pointer."""
    old, store, end = killed[0], killed[1][at], killed[2][at]
    after = store.current()
    assert after
    if end == 0:
        assert at >= 9, "fewer points than thought: the last ones must be after the pointer moved"
    if after.version == 1:
        assert ids(after) == old
    else:
        assert at >= 8, "the pointer moved before the file was safe"
        assert len(ids(after)) == 500
    again = publish(store, "a@x.de", "c@x.de")
    assert ids(again)[0] == old[0] or after.version > 1
    assert not list(store.directory.glob(".*")), "what the crash left is swept"


@pytest.mark.parametrize("damage", ["gone", "half", "empty", "noise", "flipped", "no pointer target", "pointer is noise"])
def test_a_damaged_file_is_told_and_never_built_upon(store: CrosswalkStore, damage: str) -> None:
    first = ids(publish(store, "a@x.de"))
    publish(store, "a@x.de", "b@x.de")
    path = store.directory / "v000002.duckdb"
    whole = path.read_bytes()
    pointer = store.directory / "current"
    match damage:
        case "gone":
            path.unlink()
        case "half":
            path.write_bytes(whole[: len(whole) // 2])
        case "empty":
            path.write_bytes(b"")
        case "noise":
            path.write_bytes(os.urandom(len(whole)))
        case "flipped":
            path.write_bytes(whole[:4096] + bytes(8192) + whole[12288:])
        case "no pointer target":
            pointer.write_text("v000009.duckdb 12\n")
        case _:
            pointer.write_text("../../etc/passwd 12\n")
    fresh = CrosswalkStore(store.directory)
    with pytest.raises(CrosswalkDamaged) as error:
        fresh.current()
    assert "c360 rollback" in error.value.hint
    with pytest.raises(CrosswalkDamaged):
        publish(fresh, "a@x.de")
    back = rollback(fresh, 1 if damage == "pointer is noise" else None)
    assert back.version > 2 and back.restores in (1, 2) and ids(back)[:1] == first
    assert publish(fresh, "a@x.de").version > back.version


def test_a_file_of_another_format(store: CrosswalkStore) -> None:
    path = publish(CrosswalkStore(store.directory), "a@x.de").path  # a store of its own: one that reads a file lets nobody write to it
    with duckdb.connect(str(path)) as con:
        con.execute("UPDATE meta SET value = '99' WHERE key = 'format'")
    (store.directory / "current").write_text(f"{path.name} {path.stat().st_size}\n")
    with pytest.raises(CrosswalkVersion) as error:
        CrosswalkStore(store.directory).current()
    assert "format 99" in str(error.value) and "format 2" in str(error.value) and "c360 resolve" in error.value.hint


def test_one_writer_at_a_time(store: CrosswalkStore) -> None:
    entered, leave = threading.Event(), threading.Event()
    slow = record_set([{"k0": 1, "email": "a@x.de"}])

    def progress(label: str, rows: int) -> None:
        entered.set()
        leave.wait(20)

    writer = threading.Thread(target=lambda: resolve([slow], RULES, store, SECRET, progress=progress))
    writer.start()
    try:
        assert entered.wait(20)
        with pytest.raises(ResolveRunning):
            publish(CrosswalkStore(store.directory), "b@x.de")
    finally:
        leave.set()
        writer.join()
    assert publish(store, "a@x.de").version == 2


def test_readers_see_one_version_each_while_others_are_published(store: CrosswalkStore) -> None:
    crosswalk = publish(store, "a@x.de", "b@x.de")
    con, other = duckdb.connect(), duckdb.connect()
    for reader in (con, other):
        crosswalk.attach(reader, "xw")
    publish(store, "a@x.de")
    newer = store.current()
    assert newer
    newer.attach(con, 'xw"2')
    name = crosswalk.links[0].name
    for reader, sql, count in ((con, f"xw.{name}", 2), (other, f"xw.{name}", 2), (con, f'"xw""2".{name}', 1)):
        assert reader.execute(f"SELECT count(*) FROM {sql}").fetchall() == [(count,)]
    with pytest.raises(duckdb.Error):
        con.execute(f"DELETE FROM xw.{name}")


def test_another_version_of_the_same_number_and_size(store: CrosswalkStore, tmp_path: Path) -> None:
    """A backup was brought back, and resolved anew: the pointer has the same words."""
    publish(store, "a@x.de")
    shutil.copytree(store.directory, tmp_path / "backup")
    publish(store, "a@x.de", "b@x.de")
    before = store.current()
    pointer = (store.directory / "current").read_text()
    assert before is not None and len(ids(before)) == 2
    shutil.rmtree(store.directory)
    shutil.copytree(tmp_path / "backup", store.directory)
    publish(CrosswalkStore(store.directory), "a@x.de", "b@x.de", "c@x.de")
    assert (store.directory / "current").read_text() == pointer
    now = store.current()
    assert now is not None and len(ids(now)) == 3


def test_lookups_from_many_threads(store: CrosswalkStore) -> None:
    crosswalk = publish(store, *(f"p{i}@x.de" for i in range(200)))
    wanted, failures = ids(crosswalk), []

    def look() -> None:
        for n, id360 in enumerate(wanted):
            if [k.key for k in crosswalk.lookup(id360)] != [(n,)]:
                failures.append(id360)

    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert crosswalk.lookup(12) == () and crosswalk.canonical(12) == 12


def test_what_is_looked_up_by_id_or_value_lies_in_that_order(store: CrosswalkStore) -> None:
    crosswalk = publish(store, *(f"p{i}@x.de" for i in range(3_000)))
    con = duckdb.connect()
    crosswalk.attach(con, "xw")
    for table, column in ((crosswalk.links[0].name, "id360"), (crosswalk.identifiers[0].name, "value")):
        rising = f"SELECT bool_and(rising) FROM (SELECT {column} >= lag({column}) OVER (ORDER BY rowid) AS rising FROM xw.{table})"
        assert con.execute(rising).fetchall() == [(True,)], "blocks whose least and greatest value do not fit need not be read"
    indexes = con.execute("SELECT index_name FROM duckdb_indexes() WHERE database_name = 'xw'").fetchall()
    assert not indexes, "an index is written anew with every version"


@needs_encryption
def test_an_encrypted_crosswalk(tmp_path: Path) -> None:
    plain = CrosswalkStore(tmp_path)
    before = ids(publish(plain, "findme@x.de"))
    del plain
    store = CrosswalkStore(tmp_path, "it's a key")
    crosswalk = publish(store, "findme@x.de")
    assert (ids(crosswalk), crosswalk.encrypted) == (before, True)
    assert publish(store, "findme@x.de").version == 3
    assert b"findme" not in crosswalk.path.read_bytes()
    assert not (tmp_path / "v000001.duckdb").exists(), "the plain version is gone once no reader has it"
    for key in (None, "another"):
        with pytest.raises(CrosswalkKey) as error:
            CrosswalkStore(tmp_path, key).current()
        assert "another" not in str(error.value)


@needs_encryption
def test_a_new_key_takes_the_place_of_the_former_one(tmp_path: Path) -> None:
    before = ids(publish(CrosswalkStore(tmp_path, "the first key"), "findme@x.de"))
    changed = CrosswalkStore(tmp_path, "the second key", former_key="the first key")
    gc.disable()  # who lets go of a version no longer uses it
    try:
        served = changed.current()
        assert served is not None and (ids(served), served.key) == (before, "the first key")
        del served
        crosswalk = publish(changed, "findme@x.de")
    finally:
        gc.enable()
    assert (ids(crosswalk), crosswalk.key, crosswalk.version) == (before, "the second key", 2)
    assert publish(changed, "findme@x.de").version == 3 and changed.versions() == (2, 3), "what the former key opens is gone"
    assert ids(changed.at(2)) == before and CrosswalkStore(tmp_path, "the second key").current() is not None
    back = CrosswalkStore(tmp_path, former_key="the second key")
    plain = publish(back, "findme@x.de")
    assert (ids(plain), plain.encrypted, plain.key) == (before, False, None)


def test_encryption_without_the_extension(store: CrosswalkStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("identity.versions.schema.find_spec", lambda name: None)
    with pytest.raises(MissingEncryption) as error:
        publish(CrosswalkStore(store.directory, "key"), "a@x.de")
    assert duckdb.__version__ in str(error.value) and "c360[encrypted]" in error.value.hint
    assert store.current() is None


def test_the_directory_is_the_owners(store: CrosswalkStore) -> None:
    publish(store, "a@x.de")
    assert store.directory.stat().st_mode & 0o077 == 0


def test_nothing_but_the_crosswalk_reaches_the_disk(tmp_path: Path) -> None:
    """Neither an attribute nor its hash: only keys and ids."""
    store = CrosswalkStore(tmp_path)
    rows: list[dict[str, Any]] = [{"k0": k, "email": f"visible{k % 500}@x.de", "phone": f"+4930{k % 400:07}"} for k in range(2000)]
    resolve([record_set(rows)], RULES, store, SECRET)
    written = b"".join(path.read_bytes() for path in tmp_path.iterdir() if path.is_file())
    assert b"visible" not in written and b"4930" not in written
