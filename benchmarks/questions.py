"""The questions, as the rival and as c360 spell them, and how their answers are held against each other.

`{id}` is the id360 of one busy person (known to three systems), `{email}` that person's e-mail, `{ids}` the ids of fifty people.
The two spellings differ only in the names of views and columns.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Question:
    """`answer` names the columns that are compared ((), all of them by position); `names` gives c360's name of one, if it differs.

    `unlimited`: the rival's question without its LIMIT, where rows tie at the limit: then an answer is right if it has as many
    rows and all of them are among these.
    """

    name: str
    rival: str
    c360: str
    answer: tuple[str, ...] = ()
    unlimited: str = ""
    names: Mapping[str, str] = field(default_factory=dict)


PERSON = ("id360", "email", "full_name", "phone", "city")
NAMES_LIKE = "select id360, full_name, city from individual where city = 'City7' and full_name like 'First12%'"

QUESTIONS = (
    Question("profile_by_id", "select * from individual where id360 = {id}", "select * from individual where id360 = {id}", PERSON),
    Question(
        "profile_by_email", "select * from individual where email = '{email}'", "select * from individual where email = '{email}'", PERSON
    ),
    Question(
        "orders_of_one",
        "select * from sales_order where id360 = {id} order by ordered_at desc",
        "select * from sales_order where id360 = {id} order by ordered_at desc",
        ("id360", "order_id", "amount", "ordered_at", "status"),
        names={"order_id": "sales_order_id", "amount": "total_amount"},
    ),
    Question(
        "timeline_of_one",
        """select * from (select id360, ordered_at as happened_at, 'order' as kind from sales_order
           union all select id360, opened_at::timestamp, 'ticket' from ticket union all select id360, occurred_at, kind from event)
           where id360 = {id} order by happened_at desc limit 20""",
        """select * from (select id360, ordered_at as happened_at, 'order' as kind from sales_order
           union all select id360, opened_at, 'ticket' from "case" union all select id360, occurred_at, type from engagement_email)
           where id360 = {id} order by happened_at desc limit 20""",
    ),
    Question(
        "fifty_profiles",
        "select * from individual where id360 in ({ids}) order by id360",
        "select * from individual where id360 in ({ids}) order by id360",
        PERSON,
    ),
    Question(
        "revenue_of_urgent",
        """select t.id360, sum(o.amount) as revenue from (select distinct id360 from ticket where status = 'open' and priority = 4
           and opened_at >= '2026-01-15') t join sales_order o using (id360) group by 1 order by 2 desc, 1 limit 20""",
        """select t.id360, sum(o.total_amount) as revenue from (select distinct id360 from "case" where status = 'open' and priority = '4'
           and opened_at >= '2026-01-15') t join sales_order o using (id360) group by 1 order by 2 desc, 1 limit 20""",
    ),
    Question(
        "latest_orders",
        "select id360, order_id, amount, ordered_at from sales_order order by ordered_at desc limit 20",
        "select id360, sales_order_id, total_amount, ordered_at from sales_order order by ordered_at desc limit 20",
    ),
    Question(
        "monthly_revenue",
        "select date_trunc('month', ordered_at) as month, sum(amount), count(*) from sales_order group by 1 order by 1",
        "select date_trunc('month', ordered_at) as month, sum(total_amount), count(*) from sales_order group by 1 order by 1",
    ),
    Question(
        "revenue_by_status",
        "select status, count(*), sum(amount) from sales_order where ordered_at >= timestamp '2025-06-01' group by 1 order by 1",
        "select status, count(*), sum(total_amount) from sales_order where ordered_at >= timestamp '2025-06-01' group by 1 order by 1",
    ),
    Question(
        "revenue_by_city",
        """select i.city, sum(o.amount) from sales_order o join individual i using (id360) where o.status = 'paid'
           group by 1 order by 2 desc, 1 limit 10""",
        """select i.city, sum(o.total_amount) from sales_order o join individual i using (id360) where o.status = 'paid'
           group by 1 order by 2 desc, 1 limit 10""",
    ),
    Question(
        "top_customers",
        "select id360, sum(amount) as spent from sales_order group by 1 order by 2 desc, 1 limit 10",
        "select id360, sum(total_amount) as spent from sales_order group by 1 order by 2 desc, 1 limit 10",
    ),
    Question(
        "segment",
        """select count(*) from (select id360 from sales_order where ordered_at >= timestamp '2025-11-01'
           group by 1 having sum(amount) > 300) o
           join (select distinct id360 from ticket where status = 'open' and priority = 4) t using (id360)""",
        """select count(*) from (select id360 from sales_order where ordered_at >= timestamp '2025-11-01'
           group by 1 having sum(total_amount) > 300) o
           join (select distinct id360 from "case" where status = 'open' and priority = '4') t using (id360)""",
    ),
    Question("how_many_customers", "select count(*) from individual", "select count(*) from individual"),
    Question("names_like", f"{NAMES_LIKE} order by id360 limit 50", f"{NAMES_LIKE} order by id360 limit 50", unlimited=NAMES_LIKE),
)
