"""The demo's company, "Nordlicht Outfitters": sports and outdoor goods, some 20 000 people, five systems that never met.

The same seed and day give the same company. `build` writes a project folder that works on its own:

    c360.yml            the project: sources, mappings, identity rules, survivorship, policies
    postgres/           CRM and shop, two databases of an embedded PostgreSQL   (without its wheel: crm.sqlite, shop.duckdb)
    support.sqlite      support tickets
    marketing/*.parquet e-mail events and web visits, by address
    loyalty/*.csv       members and their points
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from datetime import date
from importlib.resources import as_file, files
from pathlib import Path

import duckdb

from connectors.spi.errors import UserError
from federation.demo.postgres import EmbeddedPostgres, available
from federation.demo.systems import CRM, SHOP, SUPPORT, fill_duckdb, fill_postgres, fill_sqlite, write_files

PEOPLE = 20_000
MARKER = ".c360-demo"  # a folder with it is ours to empty

POSTGRES_SOURCES = """\
  crm: {{kind: postgres, uri: "{crm}"}}
  shop: {{kind: postgres, uri: "{shop}"}}"""
FILE_SOURCES = """\
  crm: {kind: sqlite, path: crm.sqlite}
  shop: {kind: duckdb, path: shop.duckdb}"""


class NotADemoFolder(UserError):
    """The folder that the demo should write holds something else."""

    code = "C360_DEMO_FOLDER"


@dataclass(frozen=True, slots=True)
class Company:
    """A built demo. `tables` is a DuckDB in memory with every system's tables, and `truth`: who is who (source, key, pid)."""

    folder: Path
    server: EmbeddedPostgres | None
    tables: duckdb.DuckDBPyConnection

    @property
    def project(self) -> Path:
        return self.folder / "c360.yml"


def build(folder: Path, *, people: int = PEOPLE, seed: int = 1, as_of: date | None = None, postgres: bool | None = None) -> Company:
    """Write the company into `folder`, replacing an earlier demo, with its PostgreSQL running.

    Nothing in it is later than `as_of` (today). `postgres`: False keeps to files; None takes PostgreSQL if its wheel is there.
    Raises NotADemoFolder if there is something else in the folder, MissingDriver, EmbeddedPostgresFailed.
    """
    folder = folder.resolve()
    server = EmbeddedPostgres(folder / "postgres") if postgres or (postgres is None and available()) else None
    _empty(folder)
    con = company_tables(people=people, seed=seed, as_of=as_of or date.today())
    for part in ("marketing", "loyalty"):
        (folder / part).mkdir()
    write_files(con, folder)
    fill_sqlite(con, folder / "support.sqlite", "support", SUPPORT)
    if server is not None:
        server.start()
        fill_postgres(con, server, "crm", CRM)
        fill_postgres(con, server, "shop", SHOP)
    else:
        fill_sqlite(con, folder / "crm.sqlite", "crm", CRM)
        fill_duckdb(con, folder / "shop.duckdb", "shop", SHOP)
    (folder / "c360.yml").write_text(project_file(server), encoding="utf-8")
    return Company(folder, server, con)


def company_tables(*, people: int, seed: int, as_of: date) -> duckdb.DuckDBPyConnection:
    """A DuckDB in memory with every system's tables as `system__table`, and `truth`."""
    con = duckdb.connect()
    here = files("federation.demo")
    with as_file(here / "data") as data:
        for script in ("people.sql", "systems.sql"):
            sql = (here / script).read_text(encoding="utf-8")
            con.execute(sql.format(people=people, seed=seed, as_of=as_of.isoformat(), data=data))
    return con


def project_file(server: EmbeddedPostgres | None) -> str:
    """The text of c360.yml."""
    template = (files("federation.demo") / "project.yml").read_text(encoding="utf-8")
    if server is not None:
        return template.replace("  # (crm and shop)", POSTGRES_SOURCES.format(crm=server.uri("crm"), shop=server.uri("shop")))
    return template.replace("  # (crm and shop)", FILE_SOURCES).replace("table: public.", "table: ")


def stop(folder: Path) -> None:
    """Stop the demo's PostgreSQL, if it has one."""
    EmbeddedPostgres(folder.resolve() / "postgres").stop()


def _empty(folder: Path) -> None:
    if folder.exists() and any(folder.iterdir()):
        if not (folder / MARKER).exists():
            raise NotADemoFolder(f"{folder} holds something else than a demo", hint="name another folder, or empty this one")
        stop(folder)
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARKER).write_text(json.dumps({"made by": "c360 demo"}) + "\n")
