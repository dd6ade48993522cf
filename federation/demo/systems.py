"""The systems that the demo company runs, and how each gets its tables. Every table comes from a DuckDB table `system__table`."""

from __future__ import annotations

import sqlite3
import tempfile
from dataclasses import dataclass
from pathlib import Path

import duckdb

from federation.demo.postgres import EmbeddedPostgres

HIDDEN = "pid"  # the truth's number of a person: no system knows it


@dataclass(frozen=True, slots=True)
class SourceTable:
    """`key`: its primary key, comma separated. `indexes`: one index for each."""

    name: str
    key: str
    comment: str
    indexes: tuple[str, ...] = ()


CRM = (
    SourceTable("account", "account_id", "Clubs, schools and companies that buy for many", ("tax_number",)),
    SourceTable("contact", "id", "People that sales knows", ("email", "account_id")),
    SourceTable("lead", "lead_id", "People who showed interest", ("email",)),
    SourceTable("opportunity", "opportunity_id", "Deals that may be won", ("contact_id",)),
    SourceTable("consent", "consent_id", "What contacts allowed", ("contact_id",)),
)
SHOP = (
    SourceTable("product", "product_id", "What is sold"),
    SourceTable("customer", "customer_id", "Shop accounts and guests", ("email",)),
    SourceTable("orders", "order_id", "Purchases; amounts in euros with VAT; times in UTC", ("customer_id", "ordered_at")),
    SourceTable("order_line", "order_id, line_no", "What was in an order", ("product_id",)),
)
SUPPORT = (
    SourceTable("user", "user_key", "Whoever wrote to support", ("mail",)),
    SourceTable("ticket", "ticket_id", "Questions and problems", ("user_key", "status")),
)
MARKETING = ("email_events", "web_visits")
LOYALTY = ("member", "transaction")


def rows_of(con: duckdb.DuckDBPyConnection, system: str, table: str) -> duckdb.DuckDBPyRelation:
    """The rows as the system knows them."""
    relation = con.table(f"{system}__{table}")
    return relation.select(*(duckdb.ColumnExpression(c) for c in relation.columns if c != HIDDEN))


def definition(rows: duckdb.DuckDBPyRelation, table: SourceTable) -> str:
    """CREATE TABLE in words that PostgreSQL, SQLite and DuckDB all know."""
    types = {"VARCHAR": "text", "HUGEINT": "bigint"}
    columns = [
        f"{name} {types.get(str(kind), str(kind).lower().replace('decimal', 'numeric'))}"
        for name, kind in zip(rows.columns, rows.types, strict=True)
    ]
    return f'create table "{table.name}" ({", ".join(columns)}, primary key ({table.key}))'


def fill_postgres(con: duckdb.DuckDBPyConnection, server: EmbeddedPostgres, system: str, tables: tuple[SourceTable, ...]) -> None:
    """Make the database called like the system, and copy its tables in."""
    server.create_database(system)
    with tempfile.TemporaryDirectory(dir=server.folder.parent) as folder:
        for table in tables:
            rows, csv = rows_of(con, system, table.name), Path(folder) / f"{table.name}.csv"
            rows.to_csv(str(csv), header=False)
            comment = table.comment.replace("'", "''")
            server.psql(
                system,
                definition(rows, table),
                f"copy \"{table.name}\" from '{csv}' csv",
                *(f'create index on "{table.name}" ({column})' for column in table.indexes),
                f"comment on table \"{table.name}\" is '{comment}'",
                f'vacuum analyze "{table.name}"',
            )


def fill_sqlite(con: duckdb.DuckDBPyConnection, path: Path, system: str, tables: tuple[SourceTable, ...]) -> None:
    """The same in a SQLite file. Times, days and amounts go in as text; the columns' declared types say what they are."""
    db = sqlite3.connect(path)
    with db:
        for table in tables:
            rows = rows_of(con, system, table.name)
            db.execute(definition(rows, table))
            as_text = [
                f"{c}::varchar" if str(t).startswith(("TIMESTAMP", "DATE", "DECIMAL")) else c
                for c, t in zip(rows.columns, rows.types, strict=True)
            ]
            marks = ", ".join("?" * len(rows.columns))
            db.executemany(f'insert into "{table.name}" values ({marks})', rows.project(", ".join(as_text)).fetchall())
            for column in table.indexes:
                db.execute(f'create index "{table.name}_{column}" on "{table.name}" ({column})')
        db.execute("analyze")
    db.close()


def fill_duckdb(con: duckdb.DuckDBPyConnection, path: Path, system: str, tables: tuple[SourceTable, ...]) -> None:
    """The same in a DuckDB file."""
    con.execute(f"attach '{path}' as filled")
    for table in tables:
        rows = rows_of(con, system, table.name)
        con.execute(definition(rows, table).replace("create table ", "create table filled.", 1))
        rows.insert_into(f"filled.{table.name}")
        con.execute(f"comment on table filled.{table.name} is '{table.comment}'")
    con.execute("detach filled")


def write_files(con: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """Marketing as Parquet, loyalty as CSV."""
    for table in MARKETING:
        rows_of(con, "marketing", table).to_parquet(str(folder / "marketing" / f"{table}.parquet"))
    for table in LOYALTY:
        rows_of(con, "loyalty", table).to_csv(str(folder / "loyalty" / f"{table}.csv"), header=True)
