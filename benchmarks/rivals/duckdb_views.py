"""The rival: what a good DuckDB user would do today. Plain views over ATTACHed sources, joined to a crosswalk table.

The crosswalk is the world's truth, so that only the work of queries is compared.
"""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from benchmarks.questions import QUESTIONS
from benchmarks.system import Busy, Moved
from benchmarks.worlds import World

SCANS = frozenset({"POSTGRES_SCAN", "SQLITE_SCAN", "PARQUET_SCAN"})
VIEWS = """
create view individual_record as
select x.id360, 'crm' as source, k.email_address as email, k.first_name || ' ' || k.last_name as full_name, k.phone, k.city, k.updated_at
from crm.public.contact k join crosswalk x on x.source = 'crm.contact' and x.key = k.id::varchar
union all
select x.id360, 'shop', k.email, k.full_name, k.phone, null, k.modified
from shop.public.customer k join crosswalk x on x.source = 'shop.customer' and x.key = k.customer_id::varchar
union all
select x.id360, 'support', k.email, k.name, k.phone, null, k.updated::timestamp
from support.user k join crosswalk x on x.source = 'support.user' and x.key = k.user_key;
create view individual as
select id360, arg_max(email, updated_at) filter (email is not null) as email,
       arg_max(full_name, updated_at) filter (full_name is not null) as full_name,
       arg_max(phone, updated_at) filter (phone is not null) as phone, arg_max(city, updated_at) filter (city is not null) as city,
       count(*) as records, max(updated_at) as last_updated
from individual_record group by id360;
create view sales_order as
select x.id360, o.* from shop.public.orders o join crosswalk x on x.source = 'shop.customer' and x.key = o.customer_id::varchar;
create view ticket as
select x.id360, t.* from support.ticket t join crosswalk x on x.source = 'support.user' and x.key = t.user_key;
create view event as
select x.id360, e.* from marketing e join email_crosswalk x using (email);
"""


class DuckDBViews:
    """Its id360 is the truth's number of a person."""

    name = "rival"
    people = None

    def __init__(self, world: World, busy: Busy) -> None:
        self.con = duckdb.connect()
        for extension in ("postgres_scanner", "sqlite_scanner"):
            self.con.execute(f"load '{extension_file(extension)}'")
        for database in ("crm", "shop"):
            self.con.execute(f"attach '{world.postgres.uri(database)}' as {database} (type postgres, read_only)")
        self.con.execute(f"attach '{world.support}' as support (type sqlite, read_only)")
        self.con.execute(f"create view marketing as from '{world.marketing}'")
        self.con.execute(f"create table crosswalk as select source, key, pid as id360 from '{world.truth}'")
        self.con.execute(
            "create table email_crosswalk as select distinct 'p' || id360 || '@ex' || (id360 % 50) || '.com' as email, id360 from crosswalk"
        )
        self.con.execute(VIEWS)
        values = {"id": busy.person, "email": busy.email, "ids": ", ".join(map(str, busy.fifty))}
        self.questions = {q.name: q.rival.format(**values) for q in QUESTIONS}

    def ask(self, question: str) -> pa.Table:
        return self.con.sql(self.questions[question]).to_arrow_table()

    def query(self, sql: str) -> pa.Table:
        return self.con.sql(sql).to_arrow_table()

    def moved(self, question: str) -> Moved:
        """Rows that its scans of the sources gave, by DuckDB's own count. It does not count bytes."""
        ((_, plan),) = self.con.execute(f"explain (analyze, format json) {self.questions[question]}").fetchall()
        return Moved(_scanned(json.loads(plan)), None)

    def close(self) -> None:
        self.con.close()


def extension_file(extension: str) -> Path:
    """The extension that its wheel brings."""
    spec = importlib.util.find_spec(f"duckdb_extension_{extension}")
    if spec is None or spec.origin is None:
        raise SystemExit(f"the rival needs the wheel duckdb-extension-{extension.replace('_', '-')}: pip install -e '.[bench]'")
    return next(Path(spec.origin).parent.rglob("*.duckdb_extension"))


def _scanned(plan: dict[str, Any]) -> int:
    """Rows out of every scan of a source from this node down."""
    here = plan["operator_cardinality"] if plan.get("operator_name", "").strip() in SCANS else 0
    return int(here) + sum(map(_scanned, plan.get("children", ())))
