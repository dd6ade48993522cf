"""Filesystems that files lie in elsewhere: one that can fall silent, and an HTTP server that gives parts of files."""

from __future__ import annotations

import re
import threading
from http.server import SimpleHTTPRequestHandler
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.parquet as pq
from fsspec.implementations.memory import MemoryFileSystem


def put(system: MemoryFileSystem, path: str, table: pa.Table) -> None:
    with system.open(path, "wb") as file:
        pq.write_table(table, file, row_group_size=1000)


class StallingFileSystem(MemoryFileSystem):
    """A remote filesystem that can fall silent: reads then block and answer nothing."""

    protocol = "stalling"
    store: ClassVar[dict[str, Any]] = {}
    pseudo_dirs: ClassVar[list[str]] = [""]
    flowing = threading.Event()
    refusing: ClassVar[type[Exception] | None] = None

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        return super()._strip_protocol(path.replace("stalling://", "memory://"))

    def _wait(self) -> None:
        if self.refusing is not None:
            raise self.refusing("raw text with a secret in it")
        self.flowing.wait(20)

    def _open(self, *args: Any, **options: Any) -> Any:
        self._wait()
        return super()._open(*args, **options)

    def glob(self, *args: Any, **options: Any) -> Any:
        self._wait()
        return super().glob(*args, **options)


class RangeHandler(SimpleHTTPRequestHandler):
    """Files by HTTP, in parts, as object stores give them."""

    ranges: ClassVar[bool] = True

    def do_GET(self) -> None:
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "")) if self.ranges else None
        path = Path(self.translate_path(self.path))
        if wanted is None or not path.is_file():
            return super().do_GET()
        body = path.read_bytes()
        first, last = int(wanted[1]), min(int(wanted[2] or len(body)), len(body) - 1)
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {first}-{last}/{len(body)}")
        self.send_header("Content-Length", str(last + 1 - first))
        self.end_headers()
        self.wfile.write(body[first : last + 1])
        return None

    def log_message(self, *args: object) -> None: ...
