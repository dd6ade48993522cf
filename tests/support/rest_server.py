"""A small real HTTP API over tables in memory: paging, key look-ups, filters, a token, and faults on demand.

GET /<table>?limit=&cursor=            {"data": {"list": [...]}, "meta": {"next": cursor or null}}
GET /<table>?ids=1,2,3 or ids=1&ids=2  the rows whose first column is among them
GET /<table>?<column>=v                equal as text, loosely: case does not count
GET /<table>?<column>_since=v          not before v
GET /<table>/<key>                     one object, or 404
"""

from __future__ import annotations

import datetime as dt
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

Row = Mapping[str, object]
TOKEN = "hunter2-token"


@dataclass
class Faults:
    """`fault(path)` is asked per request: None, or "stall", "stall-body", "cut", "reset", "garbage", "slow", or (status, headers)."""

    fault: Callable[[str], object] = lambda path: None
    flowing: threading.Event = field(default_factory=threading.Event)


class RestServer(ThreadingHTTPServer):
    """`tables` may be changed at any time. `asked` are the requests so far, path and query. `page` is the most rows per answer."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, tables: dict[str, list[Row]], page: int = 1000) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.tables, self.page = tables, page
        self.faults = Faults()
        self.asked: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is part of the tests."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # headers and body are two writes: with it, each answer waits 40 ms
    server: RestServer

    def do_GET(self) -> None:
        self.server.asked.append(self.path.removeprefix("/v1"))
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            return self._answer(401, {"error": "who are you?", "row": "4711"})
        fault = self.server.faults.fault(self.path)
        if isinstance(fault, tuple):
            return self._answer(fault[0], {"error": "row 4711 is bad"}, fault[1])
        if fault == "stall":
            self.server.faults.flowing.wait(20)
        if fault == "reset":
            self.close_connection = True
            return self.connection.shutdown(socket.SHUT_RDWR)
        if fault == "garbage":
            return self._send(200, b"<html>4711</html>", {})
        return self._read(fault)

    def _read(self, fault: object) -> None:
        parts = urlsplit(self.path)
        query = parse_qs(parts.query, keep_blank_values=True)
        if parts.path == "/v1":
            return self._answer(200, {"tables": list(self.server.tables)})
        _, table, *key = parts.path.strip("/").split("/")
        rows = self.server.tables.get(table)
        if rows is None:
            return self._answer(404, {"error": "no such thing"})
        if key:
            found = next((r for r in rows if str(next(iter(r.values()))) == unquote(key[0])), None)
            return self._answer(200, {"data": found}) if found else self._answer(404, {"error": "no such row"})
        limit = min(int(query.pop("limit", ["1000000"])[0]), self.server.page)
        start = int(query.pop("cursor", ["0"])[0]) + int(query.pop("offset", ["0"])[0]) + (int(query.pop("page", ["1"])[0]) - 1) * limit
        rows = [row for row in rows if all(_matches(row, name, values) for name, values in query.items())]
        following = str(start + limit) if start + limit < len(rows) else None
        answer = {"data": {"list": rows[start : start + limit]}, "meta": {"next": following}}
        if fault in ("cut", "stall-body", "slow"):
            return self._broken(json.dumps(answer, default=_plain).encode(), str(fault))
        return self._answer(200, answer)

    def _broken(self, body: bytes, fault: str) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        half = len(body) // 2
        self.wfile.write(body[:half])
        if fault == "slow":  # a little now and then, for ever
            for i in range(half, len(body)):
                self.wfile.write(body[i : i + 1])
                time.sleep(0.1)
        elif fault == "stall-body":
            self.server.faults.flowing.wait(20)
            self.wfile.write(body[half:])
        self.close_connection = True

    def _answer(self, status: int, answer: object, headers: Mapping[str, str] | None = None) -> None:
        self._send(status, json.dumps(answer, default=_plain).encode(), headers or {})

    def _send(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), "Content-Type": "application/json", **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing on the terminal."""


def _matches(row: Row, name: str, values: list[str]) -> bool:
    if name == "ids":
        wanted = [v for value in values for v in value.split(",")]
        return str(next(iter(row.values()))) in wanted or str(next(iter(row.values()))) in values
    if name.endswith("_since"):
        value = row.get(name.removesuffix("_since"))
        return value is not None and str(_plain(value)) >= values[0]
    return name in row and any(str(_plain(row[name])).lower() == v.lower() for v in values)


def _plain(value: object) -> object:
    match value:
        case dt.datetime():
            return value.isoformat().replace("+00:00", "Z")
        case dt.date():
            return value.isoformat()
        case Decimal():
            return str(value)
    return value


@contextmanager
def serving(tables: dict[str, list[Row]], page: int = 1000) -> Iterator[RestServer]:
    """A server on a free port, in a thread, until the end of the block."""
    server = RestServer(tables, page)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.faults.flowing.set()
        server.shutdown()
        server.server_close()
        thread.join()
