"""Six questions that show what c360 is for. Each is asked of five live systems as if they were one."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Question:
    """`sql` is asked with those of the demo's values that it names: $id360 and $email (of one good customer), $since (90 days
    ago), $year_ago. Without `sql`, the profile of that customer is asked for. `principal`: who asks, "" for the person at the machine.
    """

    title: str
    why: str
    sql: str = ""
    principal: str = ""


QUESTIONS = (
    Question(
        "Who is this customer?",
        "One address is all you have. The window: survived values and what happened lately, from every system that knows her.",
    ),
    Question(
        "What happened with her in the last 90 days?",
        "Orders, tickets, mails, visits and points on one line of time, each from the system that owns it.",
        """select t.at, t.kind, t.source, t.summary
from timeline t
where t.id360 = $id360 and t.at >= $since
order by t.at desc
limit 12""",
    ),
    Question(
        "Whose urgent problem costs us most?",
        "Tickets are in support's SQLite, revenue is in the shop's database, and no key joins them.",
        """select i.full_name, i.city, t.subject, t.opened_at, sum(o.total_amount) as revenue
from support_case t join individual i using (id360) left join sales_order o using (id360)
where t.status = 'open' and t.priority = 'urgent'
group by 1, 2, 3, 4
order by revenue desc nulls last, 1
limit 8""",
    ),
    Question(
        "Whom may the next campaign reach?",
        "Recent buyers who said yes to e-mail, without those who are waiting for an answer from support.",
        """select count(*) as buyers,
       count(*) filter (where allowed) as may_be_mailed,
       count(*) filter (where allowed and not waits) as in_the_campaign
from (
    select b.id360,
           b.id360 in (select id360 from consent where channel = 'email' and status = 'granted' and id360 is not null) as allowed,
           b.id360 in (select id360 from support_case where status in ('open', 'waiting') and id360 is not null) as waits
    from (select distinct id360 from sales_order where ordered_at >= $since and status <> 'cancelled' and id360 is not null) b
)""",
    ),
    Question(
        "Where does the money come from?",
        "Revenue by city and channel: the city is a survived value, the amounts never leave the shop unasked.",
        """select i.city, o.channel, count(*) as orders, sum(o.total_amount) as revenue
from sales_order o join individual i using (id360)
where o.ordered_at >= $year_ago and o.status not in ('cancelled', 'returned')
group by 1, 2
order by revenue desc, 1, 2
limit 10""",
    ),
    Question(
        "Which records are one person, and what may an analyst see of them?",
        "The records behind one customer, in the words of each system; asked by an analyst, who sees no addresses.",
        """select r.source, r.key, r.full_name, r.email, r.phone, r.city, r.birth_date
from individual_record r
where r.id360 = $id360
order by r.source, r.key""",
        principal="ana",
    ),
)
