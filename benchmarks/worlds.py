"""The benchmark's world: five live systems of one company, of any size, from a seed; built once, kept in a folder.

    python -m benchmarks.worlds [--people 500000] [--seed 0] [--folder .bench/500000-0] [--start | --stop]

500 000 people make 400k CRM contacts, 350k shop customers and 3M orders (two PostgreSQL databases), 200k support users and
500k tickets (SQLite), 5M marketing events by e-mail (Parquet). `truth.parquet` says who is who. No person attribute carries
noise: this world measures queries, not matching, and joining on the exact e-mail rebuilds the truth.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import duckdb

from federation.demo.postgres import EmbeddedPostgres

PERSON = """
select i as pid, 'p' || i || '@ex' || (i % 50) || '.com' as email, 'First' || (hash(i + {seed}) % 5000) as first_name,
       'Last' || (hash(i * 7 + {seed}) % 20000) as last_name, '+1' || lpad((i * 7919 % 10000000000)::varchar, 10, '0') as phone,
       (hash(i * 3 + {seed}) % 100)::int as city
from range({people}) t(i)"""

# In this order: {people} and {seed} are the world's, {shop_customer} and {support_user} how many rows those tables got.
TABLES = {
    "crm_contact": """
select row_number() over (order by pid) as id, email as email_address, first_name, last_name, phone, 'City' || city as city,
       (hash(pid * 5) % 3)::int as tier, timestamp '2025-01-01' + interval 1 second * (hash(pid * 11) % 30000000)::int as updated_at, pid
from person where hash(pid) % 10 < 8""",
    "shop_customer": """
select row_number() over (order by pid) + 5000000 as customer_id, email, first_name || ' ' || last_name as full_name,
       case when hash(pid * 13) % 2 = 0 then phone end as phone,
       timestamp '2025-01-01' + interval 1 second * (hash(pid * 17) % 30000000)::int as modified, pid
from person where hash(pid * 2) % 10 < 7""",
    "support_user": """
select 'u' || pid as user_key, email, first_name as name, phone,
       timestamp '2025-01-01' + interval 1 second * (hash(pid * 19) % 30000000)::int as updated, pid,
       row_number() over (order by pid) - 1 as rn
from person where hash(pid * 4) % 10 < 4""",
    "shop_order": """
select i as order_id, 5000001 + (hash(i) % {shop_customer})::bigint as customer_id,
       ((hash(i * 3) % 50000) / 100)::decimal(10,2) as amount,
       timestamp '2024-01-01' + interval 1 second * (hash(i * 5) % 60000000)::int as ordered_at,
       (['paid','shipped','returned','open'])[1 + (hash(i * 7) % 4)::int] as status
from range({people} * 6) t(i)""",
    "support_ticket": """
select i as ticket_id, user_key, (['open','closed','pending'])[1 + (hash(i * 7) % 3)::int] as status, (hash(i * 9) % 5)::int as priority,
       timestamp '2025-06-01' + interval 1 second * (hash(i * 11) % 20000000)::int as opened_at
from range({people}) t(i) join support_user u on u.rn = i % {support_user}""",
    "marketing_event": """
select i as event_id, 'p' || (hash(i) % {people}) || '@ex' || ((hash(i) % {people}) % 50) || '.com' as email,
       (['sent','open','click','unsub'])[1 + (hash(i * 7) % 4)::int] as kind,
       timestamp '2025-06-01' + interval 1 second * (hash(i * 11) % 20000000)::int as occurred_at, (hash(i * 13) % 300)::int as campaign
from range({people} * 10) t(i)""",
}
TRUTH = """
select 'crm.contact' as source, id::varchar as key, pid from crm_contact
union all select 'shop.customer', customer_id::varchar, pid from shop_customer
union all select 'support.user', user_key, pid from support_user"""


@dataclass(frozen=True, slots=True)
class PostgresTable:
    """`rows` is the SELECT whose answer fills it; indexes are made after."""

    database: str
    name: str
    columns: str
    rows: str
    indexes: tuple[str, ...]


POSTGRES = (
    PostgresTable(
        "crm",
        "contact",
        "id bigint primary key, email_address text, first_name text, last_name text, phone text, city text, tier int, updated_at timestamp",
        "select * exclude (pid) from crm_contact",
        ("email_address", "city"),
    ),
    PostgresTable(
        "shop",
        "customer",
        "customer_id bigint primary key, email text, full_name text, phone text, modified timestamp",
        "select * exclude (pid) from shop_customer",
        ("email",),
    ),
    PostgresTable(
        "shop",
        "orders",
        "order_id bigint primary key, customer_id bigint not null, amount numeric(10,2) not null,"
        " ordered_at timestamp not null, status text not null",
        "select * from shop_order",
        ("customer_id", "ordered_at"),
    ),
)


@dataclass(frozen=True, slots=True)
class World:
    """A built world. `folder` is absolute; `postgres` need not be running."""

    folder: Path
    people: int

    @property
    def postgres(self) -> EmbeddedPostgres:
        return EmbeddedPostgres(self.folder / "postgres")

    @property
    def support(self) -> Path:
        return self.folder / "support.sqlite"

    @property
    def marketing(self) -> Path:
        return self.folder / "marketing.parquet"

    @property
    def truth(self) -> Path:
        return self.folder / "truth.parquet"


def default_folder(people: int, seed: int = 0) -> Path:
    return Path(".bench") / f"{people}-{seed}"


def open_world(folder: Path, people: int, seed: int = 0, say: Callable[[str], None] = print) -> World:
    """The world in `folder` with its PostgreSQL running; built first if it is not there or was left half-built."""
    world = World(folder.resolve(), people)
    finished = world.folder / "world.json"
    facts = {"people": people, "seed": seed, "tables": TABLES | {"person": PERSON}}
    if finished.exists() and json.loads(finished.read_text()) == facts:
        world.postgres.start()
        return world
    if world.folder.exists():
        world.postgres.stop()
        shutil.rmtree(world.folder)
    world.folder.mkdir(parents=True)
    _build(world, seed, say)
    finished.write_text(json.dumps(facts))
    return world


def _build(world: World, seed: int, say: Callable[[str], None]) -> None:
    start = time.monotonic()
    con = duckdb.connect()
    facts = {"people": world.people, "seed": seed}
    for table, rows in {"person": PERSON, **TABLES}.items():
        con.execute(f"create table {table} as {rows.format(**facts)}")
        facts[table] = con.table(table).count("*").fetchall()[0][0]
        say(f"{time.monotonic() - start:6.1f} s  {table}: {facts[table]:,}")
    # By time, as events arrive: no file is sorted by e-mail.
    con.execute(f"copy (from marketing_event order by occurred_at) to '{world.marketing}'")
    con.execute(f"copy ({TRUTH}) to '{world.truth}'")
    _fill_sqlite(con, world.support)
    say(f"{time.monotonic() - start:6.1f} s  SQLite and Parquet written")
    _fill_postgres(con, world)
    say(f"{time.monotonic() - start:6.1f} s  PostgreSQL filled")


def _fill_sqlite(con: duckdb.DuckDBPyConnection, path: Path) -> None:
    with sqlite3.connect(path) as db:
        db.execute("create table user (user_key text primary key, email text, name text, phone text, updated timestamp)")
        db.execute("create table ticket (ticket_id integer primary key, user_key text, status text, priority int, opened_at timestamp)")
        users = con.execute("select user_key, email, name, phone, updated::varchar from support_user").fetchall()
        tickets = con.execute("select ticket_id, user_key, status, priority, opened_at::varchar from support_ticket").fetchall()
        db.executemany("insert into user values (?, ?, ?, ?, ?)", users)
        db.executemany("insert into ticket values (?, ?, ?, ?, ?)", tickets)
        db.execute("create index ticket_user on ticket (user_key)")
        db.execute("create index user_email on user (email)")
    db.close()


def _fill_postgres(con: duckdb.DuckDBPyConnection, world: World) -> None:
    server = world.postgres.start()
    for database in dict.fromkeys(table.database for table in POSTGRES):
        server.create_database(database)
    for table in POSTGRES:
        csv = world.folder / f"{table.name}.csv"
        con.execute(f"copy ({table.rows}) to '{csv}' (header false)")
        server.psql(
            table.database,
            f"create table {table.name} ({table.columns})",
            f"copy {table.name} from '{csv}' csv",
            *(f"create index on {table.name} ({column})" for column in table.indexes),
            f"vacuum analyze {table.name}",  # vacuum too: what autovacuum would do must not fall into somebody's question
        )
        csv.unlink()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=500_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--stop", action="store_true", help="stop the world's PostgreSQL")
    args = parser.parse_args()
    folder = args.folder or default_folder(args.people, args.seed)
    if args.stop:
        World(folder.resolve(), args.people).postgres.stop()
        return
    world = open_world(folder, args.people, args.seed)
    print(f"{world.folder}: PostgreSQL at {world.postgres.uri('crm')} and {world.postgres.uri('shop')}")


if __name__ == "__main__":
    main()
