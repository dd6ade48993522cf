"""By hand: the plan a specialist would write for each question, with native drivers, and DuckDB for what is left.

A reference for what can be reached, not code to build on: keys are pasted as literals, nothing is checked. Connections,
crosswalk and its indexes are warm. Where the last step is only putting rows together, it is left out, and there is no answer.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import adbc_driver_postgresql.dbapi as adbc
import duckdb
import pyarrow as pa

from benchmarks.system import Busy, Moved
from benchmarks.worlds import World

CONNECTIONS = 2
CROSSWALK = """
create table crm as select key::bigint k, pid u from '{truth}' where source = 'crm.contact' order by u;
create table shop as select key::bigint k, pid u from '{truth}' where source = 'shop.customer' order by u;
create table support as select key k, pid u from '{truth}' where source = 'support.user' order by u;
create index crm_u on crm (u); create index shop_u on shop (u); create index support_u on support (u);
create index crm_k on crm (k); create index shop_k on shop (k); create index support_k on support (k);"""
FULL_NAME = "first_name || ' ' || last_name"


class ByHand:
    name = "byhand"
    people = None

    def __init__(self, world: World, busy: Busy) -> None:
        self.busy, self.world = busy, world
        self.pool = ThreadPoolExecutor(8)
        self.local = threading.local()
        self.fetched: list[pa.Table | list[tuple[Any, ...]]] = []
        self.marketing, self.crosswalk = duckdb.connect(), duckdb.connect()
        self.crosswalk.execute(CROSSWALK.format(truth=world.truth))
        self.connections = {
            db: [adbc.connect(world.postgres.uri(db), autocommit=True) for _ in range(CONNECTIONS)] for db in ("crm", "shop")
        }
        self.pages = self.postgres("shop", "select relpages::bigint from pg_class where relname = 'orders'").column(0)[0].as_py()

    def ask(self, question: str) -> pa.Table | None:
        plan: Callable[[], pa.Table | None] = getattr(self, question)
        self.fetched.clear()
        return plan()

    def moved(self, question: str) -> Moved:
        """Rows and Arrow bytes that its statements fetched."""
        self.ask(question)
        tables = [
            table if isinstance(table, pa.Table) else pa.table(list(map(list, zip(*table, strict=True))), _names(table))
            for table in self.fetched
        ]
        return Moved(sum(t.num_rows for t in tables), sum(t.nbytes for t in tables))

    def close(self) -> None:
        self.pool.shutdown()
        for connection in (c for connections in self.connections.values() for c in connections):
            connection.close()

    def postgres(self, database: str, sql: str, copy: bool = False, connection: int = 0) -> pa.Table:
        with self.connections[database][connection].cursor() as cursor:
            if not copy:  # COPY costs 4 ms on a small answer, and wins on a large one
                cursor.adbc_statement.set_options(**{"adbc.postgresql.use_copy": "false"})
            cursor.execute(sql)
            table = cursor.fetch_arrow_table()
        self.fetched.append(table)
        return table

    def sqlite(self, sql: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        if not hasattr(self.local, "db"):
            self.local.db = sqlite3.connect(f"file:{self.world.support}?mode=ro", uri=True)
        rows: list[tuple[Any, ...]] = self.local.db.execute(sql, values).fetchall()
        self.fetched.append(rows)
        return rows

    def parquet(self, sql: str, values: Sequence[object] = ()) -> pa.Table:
        table = self.marketing.execute(sql, values).to_arrow_table()
        self.fetched.append(table)
        return table

    def finish(self, sql: str, **tables: pa.Table) -> pa.Table:
        """The last step, over what was fetched and the crosswalk."""
        cursor = self.crosswalk.cursor()
        for name, table in tables.items():
            cursor.register(name, table)
        return cursor.execute(sql).to_arrow_table()

    def keys_of(self, people: Sequence[int]) -> dict[str, list[Any]]:
        listed = ",".join(map(str, people))
        return {
            s: [k for (k,) in self.crosswalk.execute(f"select k from {s} where u in ({listed})").fetchall()]
            for s in ("crm", "shop", "support")
        }

    def person_of(self, source: str, keys: Sequence[object]) -> set[int]:
        return {u for key in keys for (u,) in self.crosswalk.execute(f"select u from {source} where k = ?", [key]).fetchall()}

    def records(self, people: Sequence[int]) -> None:
        """Fetch every record of these people, from three systems at the same time."""
        keys, jobs = self.keys_of(people), []
        if keys["crm"]:
            columns = f"id, email_address, {FULL_NAME}, phone, city, updated_at"
            jobs.append(self.pool.submit(self.postgres, "crm", f"select {columns} from contact where id = any({_array(keys['crm'])})"))
        if keys["shop"]:
            columns = "customer_id, email, full_name, phone, modified"
            jobs.append(
                self.pool.submit(self.postgres, "shop", f"select {columns} from customer where customer_id = any({_array(keys['shop'])})")
            )
        if keys["support"]:
            marks = ",".join("?" * len(keys["support"]))
            jobs.append(self.pool.submit(self.sqlite, f"select * from user where user_key in ({marks})", keys["support"]))
        for job in jobs:
            job.result()

    def all_orders(self, columns: str, where: str = "true") -> pa.Table:
        """Orders by two connections at the same time, each one half of the table's pages."""
        half = self.pages // 2
        ranges = ((0, half), (half, self.pages + 1))
        sql = "select {columns} from orders where ctid >= '({low},0)'::tid and ctid < '({high},0)'::tid and {where}"
        jobs = [
            self.pool.submit(self.postgres, "shop", sql.format(columns=columns, low=low, high=high, where=where), True, connection)
            for connection, (low, high) in enumerate(ranges)
        ]
        return pa.concat_tables([job.result() for job in jobs])

    # The plans, one a question.

    def profile_by_id(self) -> None:
        self.records([self.busy.person])

    def profile_by_email(self) -> None:
        email = self.busy.email
        crm = self.pool.submit(self.postgres, "crm", f"select id from contact where email_address = '{email}'")
        shop = self.pool.submit(self.postgres, "shop", f"select customer_id from customer where email = '{email}'")
        people = self.person_of("support", [key for (key,) in self.sqlite("select user_key from user where email = ?", (email,))])
        people |= self.person_of("crm", crm.result().column(0).to_pylist())
        people |= self.person_of("shop", shop.result().column(0).to_pylist())
        self.records(sorted(people))

    def orders_of_one(self) -> pa.Table:
        keys = self.keys_of([self.busy.person])["shop"]
        columns = f"{self.busy.person}::bigint as id360, order_id, customer_id, amount::text, ordered_at, status"
        return self.postgres("shop", f"select {columns} from orders where customer_id = any({_array(keys)}) order by ordered_at desc")

    def timeline_of_one(self) -> pa.Table:
        keys = self.keys_of([self.busy.person])
        orders = self.pool.submit(
            self.postgres,
            "shop",
            f"select ordered_at as happened from orders where customer_id = any({_array(keys['shop'])}) order by 1 desc limit 20",
        )
        tickets = self.pool.submit(
            self.sqlite, "select opened_at from ticket where user_key = ? order by 1 desc limit 20", (keys["support"][0],)
        )
        events = self.parquet(
            f"select occurred_at as happened, kind from '{self.world.marketing}' where email = ? order by 1 desc limit 20",
            [self.busy.email],
        )
        return self.finish(
            f"""select {self.busy.person}::bigint, happened, kind from (select happened, 'order' as kind from orders union all
                select happened::timestamp, 'ticket' from tickets union all from events) order by 2 desc limit 20""",
            orders=orders.result(),
            tickets=pa.table({"happened": pa.array([at for (at,) in tickets.result()], pa.string())}),
            events=events,
        )

    def fifty_profiles(self) -> None:
        self.records(self.busy.fifty)

    def revenue_of_urgent(self) -> pa.Table:
        keys = self.sqlite("select distinct user_key from ticket where status = 'open' and priority = 4 and opened_at >= '2026-01-15'")
        shop = self.finish("select s.k, s.u from users join support p using (k) join shop s on s.u = p.u", users=_keys(keys))
        wanted = _array(shop.column(0).to_pylist())
        spent = self.postgres(
            "shop", f"select customer_id, sum(amount)::text as a from orders where customer_id = any({wanted}) group by 1"
        )
        return self.finish(
            "select u, sum(a::decimal(18,2)) from spent join shop on k = customer_id group by 1 order by 2 desc, 1 limit 20", spent=spent
        )

    def latest_orders(self) -> pa.Table:
        orders = self.postgres(
            "shop", "select order_id, customer_id, amount::text as amount, ordered_at from orders order by ordered_at desc limit 20"
        )
        return self.finish("select u, order_id, amount, ordered_at from orders join shop on k = customer_id", orders=orders)

    def monthly_revenue(self) -> pa.Table:
        return self.postgres("shop", "select date_trunc('month', ordered_at), sum(amount)::text, count(*) from orders group by 1")

    def revenue_by_status(self) -> pa.Table:
        return self.postgres("shop", "select status, count(*), sum(amount)::text from orders where ordered_at >= '2025-06-01' group by 1")

    def revenue_by_city(self) -> pa.Table:
        cities = self.pool.submit(self.postgres, "crm", "select id, city from contact", True)
        orders = self.all_orders("customer_id, (amount * 100)::bigint as cents", "status = 'paid'")
        return self.finish(
            """with spent as (select s.u, sum(cents) c from orders join shop s on s.k = customer_id group by 1),
               home as (select x.u, any_value(city) city from contacts join crm x on x.k = id group by 1),
               known as (select u from shop union select u from crm union select u from support)
               select city, (sum(c) / 100)::decimal(18,2) from spent join known using (u) left join home using (u)
               group by 1 order by 2 desc, 1 limit 10""",
            orders=orders,
            contacts=cities.result(),
        )

    def top_customers(self) -> pa.Table:
        orders = self.all_orders("customer_id, (amount * 100)::bigint as cents")
        return self.finish(
            """select u, (sum(c) / 100)::decimal(18,2) from (select customer_id, sum(cents) c from orders group by 1)
               join shop on k = customer_id group by 1 order by 2 desc, 1 limit 10""",
            orders=orders,
        )

    def segment(self) -> pa.Table:
        spent = self.pool.submit(
            self.postgres, "shop", "select customer_id, sum(amount)::text a from orders where ordered_at >= '2025-11-01' group by 1", True
        )
        users = self.sqlite("select distinct user_key from ticket where status = 'open' and priority = 4")
        return self.finish(
            """select count(*) from (select u from spent join shop on k = customer_id group by 1 having sum(a::decimal(18,2)) > 300)
               join (select distinct u from users join support using (k)) using (u)""",
            spent=spent.result(),
            users=_keys(users),
        )

    def how_many_customers(self) -> pa.Table:
        contacts = self.pool.submit(self.postgres, "crm", "select id from contact", True)
        customers = self.pool.submit(self.postgres, "shop", "select customer_id from customer", True)
        users = self.sqlite("select user_key from user")
        return self.finish(
            """select count(distinct u) from (select u from contacts join crm on k = id union all
               select u from customers join shop on k = customer_id union all select u from users join support using (k))""",
            contacts=contacts.result(),
            customers=customers.result(),
            users=_keys(users),
        )

    def names_like(self) -> None:
        found = self.postgres("crm", "select id from contact where city = 'City7'")
        self.records(self.finish("select u from found join crm on k = id", found=found).column(0).to_pylist())


def _array(keys: Sequence[object]) -> str:
    return "'{" + ",".join(map(str, keys)) + "}'::bigint[]"


def _keys(rows: list[tuple[Any, ...]]) -> pa.Table:
    return pa.table({"k": pa.array([key for (key,) in rows], pa.string())})


def _names(rows: list[tuple[Any, ...]]) -> list[str]:
    return [f"c{i}" for i in range(len(rows[0]) if rows else 0)]
