"""Files that do not lie on a disk: in memory, behind HTTP, in a filesystem that falls silent or refuses."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial
from http.server import ThreadingHTTPServer
from pathlib import Path

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from connectors.files import connect
from connectors.spi import Deadline, Fragment, KeyFilter
from connectors.spi.errors import C360Error, Cancelled, SchemaDrift, SourceBroken, SourceTimeout, SourceUnreachable
from connectors.testing.contract import PROMPT
from tests.support.file_systems import RangeHandler, StallingFileSystem, put
from tests.support.reading import rows_of


@pytest.fixture
def memory() -> Iterator[MemoryFileSystem]:
    memory = fsspec.filesystem("memory")
    yield memory
    memory.store.clear()


def test_memory_files(memory: MemoryFileSystem) -> None:
    put(memory, "/lake/event.parquet", pa.table({"id": range(10_000), "email": [f"e{i}" for i in range(10_000)]}))
    with memory.open("/lake/points.csv", "w") as file:
        csv.writer(file).writerows([("id", "points"), (1, 2)])
    with memory.open("/lake/call.json", "w") as file:
        json.dump([{"id": 1}, {"id": 2}], file)
    for connector in (
        connect("lake", {"path": "memory://lake"}),
        connect("lake", {"tables": {n: f"memory://lake/{n}.{s}" for n, s in (("event", "parquet"), ("points", "csv"), ("call", "json"))}}),
    ):
        assert connector.tables() == ("call", "event", "points")
        assert connector.ping(Deadline.after(5)).startswith("3 tables")
        fragment = Fragment("lake", "event", ("id",), keys=KeyFilter(("email",), "k"))
        assert rows_of(connector, fragment, {"k": (pa.array(["e7", "e9999"]),)}) == [{"id": 7}, {"id": 9999}]
        assert rows_of(connector, Fragment("lake", "points", ("points",))) == [{"points": 2}]
        assert len(rows_of(connector, Fragment("lake", "call", ("id",)))) == 2
        assert connector.statistics("event").rows == 10_000
        stream = connector.session(Deadline.after(5), snapshot=False).run(Fragment("lake", "event", ("id",)), {})
        assert "memory" not in stream.statement
        assert sum(b.num_rows for b in stream) == 10_000 and stream.requests == 1


def test_a_rewritten_memory_file_is_read_anew(memory: MemoryFileSystem) -> None:
    connector = connect("lake", {"path": "memory://lake/t.parquet"})
    for n in (3, 5, 4):
        put(memory, "/lake/t.parquet", pa.table({"id": range(n)}))
        assert len(rows_of(connector, Fragment("lake", "t", ("id",)))) == n
    memory.rm("/lake/t.parquet")
    with pytest.raises(SchemaDrift, match=r"lake\.t"):
        rows_of(connector, Fragment("lake", "t", ("id",)))
    connector.forget()
    with pytest.raises(SourceUnreachable):
        connector.tables()


@pytest.fixture
def stalling() -> Iterator[StallingFileSystem]:
    fsspec.register_implementation("stalling", StallingFileSystem, clobber=True)
    system = StallingFileSystem()
    system.flowing.set()
    put(system, "/t.parquet", pa.table({"id": range(10_000)}))
    yield system
    system.flowing.set()
    StallingFileSystem.refusing = None
    system.store.clear()


@pytest.mark.parametrize("how", ["deadline", "cancel"])
@pytest.mark.parametrize("known", [True, False])
def test_a_stalled_filesystem_holds_nobody(stalling: StallingFileSystem, how: str, known: bool) -> None:
    connector = connect("lake", {"tables": {"t": "stalling:///t.parquet"}})
    if known:
        assert len(rows_of(connector, Fragment("lake", "t", ("id",)))) == 10_000
    elif how == "cancel":
        pytest.skip("discovery ends at the deadline, not at a cancel")
    stalling.flowing.clear()
    session = connector.session(Deadline.after(0.6 if how == "deadline" else 30), snapshot=False)
    if how == "cancel":
        threading.Timer(0.6, session.cancel).start()
    started = time.monotonic()
    with pytest.raises(SourceTimeout if how == "deadline" else Cancelled):
        list(session.run(Fragment("lake", "t", ("id",)), {}))
    assert time.monotonic() - started < PROMPT
    session.close()
    with pytest.raises(SourceTimeout):
        connector.ping(Deadline.after(0.2))
    stalling.flowing.set()
    assert len(rows_of(connector, Fragment("lake", "t", ("id",)))) == 10_000


def test_a_process_ends_beside_a_read_that_does_not(tmp_path: Path) -> None:
    """Closing the connector, and leaving the interpreter, wait for no thread that hangs in a filesystem."""
    script = tmp_path / "stalled.py"
    script.write_text("""
import threading
import fsspec
import pyarrow as pa
from connectors.files import connect
from connectors.spi import Deadline, Fragment
from connectors.spi.errors import SourceTimeout
from tests.support.file_systems import StallingFileSystem, put
fsspec.register_implementation("stalling", StallingFileSystem, clobber=True)
system = StallingFileSystem()
system.flowing.set()
put(system, "/t.parquet", pa.table({"id": [1]}))
connector = connect("lake", {"tables": {"t": "stalling:///t.parquet"}})
connector.table("t")
system.flowing.clear()
session = connector.session(Deadline.after(0.3), snapshot=False)
try:
    list(session.run(Fragment("lake", "t", ("id",)), {}))
except SourceTimeout:
    session.close()
    connector.close()
    print("left")
""")
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, str(script)], env={**os.environ, "PYTHONPATH": str(root)}, capture_output=True, text=True, timeout=15
    )
    assert done.stdout == "left\n", done.stderr


def test_http_files(tmp_path: Path) -> None:
    pytest.importorskip("aiohttp")
    pq.write_table(pa.table({"id": range(1000)}), tmp_path / "t.parquet")
    (tmp_path / "c.csv").write_text("id,n\n1,x\n")

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(RangeHandler, directory=str(tmp_path))) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}"
        tables = {"c": f"{url}/c.csv?token=4711", "t": f"{url}/t.parquet", "nope": f"{url}/nope.csv?token=4711"}
        connector = connect("web", {"tables": tables, "timeout": 10})
        assert rows_of(connector, Fragment("web", "c", ("id", "n"))) == [{"id": 1, "n": "x"}]
        assert len(rows_of(connector, Fragment("web", "t", ("id",)))) == 1000
        pq.write_table(pa.table({"id": range(7)}), tmp_path / "t.parquet")
        assert len(rows_of(connector, Fragment("web", "t", ("id",)))) == 7
        with pytest.raises(SourceUnreachable) as raised:
            connector.table("nope")
        assert "4711" not in str(raised.value)
        time.sleep(0.1)
        # more than a reader takes at its first go, which needs no range
        pq.write_table(pa.table({"id": np.arange(3_000_000)}), tmp_path / "t.parquet", compression="none")
        RangeHandler.ranges = False
        with pytest.raises(SourceBroken, match="only whole"):
            rows_of(connector, Fragment("web", "t", ("id",)))
        RangeHandler.ranges = True
        server.shutdown()


@pytest.mark.parametrize("refusal", [PermissionError, FileNotFoundError, RuntimeError])
def test_what_a_filesystem_raises_is_coded_and_not_quoted(stalling: StallingFileSystem, refusal: type[Exception]) -> None:
    connector = connect("lake", {"tables": {"t": "stalling:///t.parquet"}})
    StallingFileSystem.refusing = refusal
    with pytest.raises(C360Error) as raised:
        connector.table("t")
    codes = {PermissionError: "C360_SOURCE_LOGIN", FileNotFoundError: "C360_SOURCE_UNREACHABLE", RuntimeError: "C360_SOURCE_BROKEN"}
    assert raised.value.code == codes[refusal]
    assert "secret" not in str(raised.value)
