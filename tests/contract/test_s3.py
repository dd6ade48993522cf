"""Parquet files in an object store, read over its own protocol: s3fs against an S3 server (moto's) in a process of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import s3fs
from test_files import SQL, FilesContract, copy

from connectors.files import connect
from connectors.spi import Connector, Deadline, Fragment
from connectors.spi.errors import SourceLogin, SourceUnreachable
from connectors.testing.contract import Made, Make
from connectors.testing.predicates import fetch

BUCKET = "lake"


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """The process of an S3 server, and its address."""
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while socket.socket().connect_ex(("127.0.0.1", port)):
            assert process.poll() is None, "the S3 server did not start"
            time.sleep(0.05)
        yield process, f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def storage(address: str) -> dict[str, object]:
    return {"key": "reader", "secret": TestParquetOnS3.secret, "client_kwargs": {"endpoint_url": address}}


class TestParquetOnS3(FilesContract):
    kinds = frozenset({"timestamptz"})
    elsewhere = frozenset(SQL) - kinds  # TestParquet proves the rest of the rules on the same files; here a question is two dozen requests
    suffix = ".parquet"
    secret = "kept-between-us-4711"

    @pytest.fixture(scope="class")
    @classmethod
    def bucket(cls, server: tuple[subprocess.Popen[bytes], str]) -> s3fs.S3FileSystem:
        system = s3fs.S3FileSystem(**storage(server[1]), skip_instance_cache=True, use_listings_cache=False)
        system.mkdir(BUCKET)
        return system

    @pytest.fixture(scope="class")
    @classmethod
    def make(cls, folder: Path, bucket: s3fs.S3FileSystem, server: tuple[subprocess.Popen[bytes], str]) -> Make:
        def make(tables: Mapping[str, Made]) -> Connector:
            for name, made in tables.items():
                copy(folder / f"{name}.parquet", made, "FORMAT parquet, ROW_GROUP_SIZE 2048")
                bucket.put(str(folder / f"{name}.parquet"), f"{BUCKET}/{name}.parquet")
            return connect("lake", {"path": f"s3://{BUCKET}/", "storage": storage(server[1])})

        return make

    @pytest.fixture(scope="class")
    @classmethod
    def drop_table(cls, bucket: s3fs.S3FileSystem) -> Callable[[str], None]:
        return lambda table: bucket.rm(f"{BUCKET}/{table}.parquet")

    @pytest.fixture
    def unreachable(self) -> Connector:
        return connect("lake", {"path": f"s3://{BUCKET}/", "storage": storage(f"http://127.0.0.1:{free_port()}")})

    @pytest.fixture
    def stalled(self, source: Connector, server: tuple[subprocess.Popen[bytes], str]) -> Iterator[tuple[Connector, Callable[[], None]]]:
        process = server[0]
        yield source, lambda: os.kill(process.pid, signal.SIGSTOP)
        os.kill(process.pid, signal.SIGCONT)


def test_what_is_wrong_with_a_store_is_said(server: tuple[subprocess.Popen[bytes], str], monkeypatch: pytest.MonkeyPatch) -> None:
    nobody = connect("lake", {"path": "s3://lake/", "storage": storage(f"http://127.0.0.1:{free_port()}")})
    with pytest.raises(SourceUnreachable, match="the store cannot be reached"):
        nobody.ping(Deadline.after(60))
    elsewhere = connect("lake", {"path": "s3://no-such-bucket/", "storage": storage(server[1])})
    with pytest.raises(SourceUnreachable, match="no file is there"):
        elsewhere.ping(Deadline.after(60))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    keyless = connect("lake", {"path": "s3://lake/", "storage": {"client_kwargs": {"endpoint_url": server[1]}}})
    with pytest.raises(SourceLogin, match="no credentials are known"):
        keyless.ping(Deadline.after(60))


def test_a_store_is_asked_of_a_file_once_a_question(
    server: tuple[subprocess.Popen[bytes], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    system = s3fs.S3FileSystem(**storage(server[1]), skip_instance_cache=True, use_listings_cache=False)
    system.mkdir("counted")
    asked: list[str] = []
    call = s3fs.S3FileSystem._call_s3

    async def counted(self: s3fs.S3FileSystem, method: str, *args: object, **options: object) -> object:
        asked.append(method)
        return await call(self, method, *args, **options)

    def put(rows: int) -> None:
        pq.write_table(pa.table({"id": np.arange(rows)}), tmp_path / "t.parquet")
        system.put(str(tmp_path / "t.parquet"), "counted/t.parquet")

    put(10)
    connector = connect("lake", {"path": "s3://counted/", "storage": storage(server[1])})
    question = Fragment("lake", "t", ("id",))
    assert fetch(connector, question).num_rows == 10
    monkeypatch.setattr(s3fs.S3FileSystem, "_call_s3", counted)
    assert fetch(connector, question).num_rows == 10
    assert asked.count("head_object") == 1, asked
    for rows in (7, 70_000, 3):  # and a file that was written anew is seen at once
        put(rows)
        assert fetch(connector, question).num_rows == rows
