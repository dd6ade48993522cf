"""Several values of one kind: a mobile and a land line, a private and an e-mail address at work.

The prepared column `phone` is the first value that there is; `phone_2` and `phone_3` hold further ones, each another, and exist only
where so many attributes are phones. So do `email_2` and what is made of it (`local_2` …). Whoever has a further value has a first.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import product

MOST = 3
"""So many values of one kind are compared, the first that there are."""
NTH = ("", *(f"_{n}" for n in range(2, MOST + 1)))
MADE_OF = {"email": ("email", "local", "domain", "residue"), "phone": ("phone",)}
"""The columns that belong to one value."""
STEMS = {part: stem for stem, parts in MADE_OF.items() for part in parts}


def named(column: str, count: int) -> tuple[str, ...]:
    """The columns for `count` values: phone, phone_2 …"""
    return tuple(f"{column}{nth}" for nth in NTH[:count])


def values_of(column: str, columns: Iterable[str]) -> tuple[str, ...]:
    """Those of some prepared columns that hold values of `column`."""
    have = set(columns)
    return tuple(f"{column}{nth}" for nth in NTH if f"{column}{nth}" in have)


def first_of(column: str) -> str:
    """The column whose further values a prepared column holds; itself if it does not.

    >>> first_of("domain_2"), first_of("domain"), first_of("text_2")
    ('domain', 'domain', 'text_2')
    """
    stem, _, nth = column.rpartition("_")
    return stem if stem in STEMS and f"_{nth}" in NTH else column


def distinct(values: Sequence[str]) -> list[str]:
    """Expressions for the first of some values that is not NULL, the second that is another, and so on; MOST at most."""
    others = []
    for i, value in enumerate(values):
        for before in values[:i]:
            value = f"NULLIF({value}, {before})"
        others.append(value)
    found = f"list_filter([{', '.join(others)}], lambda x: x IS NOT NULL)"
    return [f"{found}[{n}]" for n in range(1, min(len(values), MOST) + 1)]


def several_of(columns: Iterable[str], have: Iterable[str]) -> tuple[str, ...]:
    """For those of `columns` that have further values among the columns that there are (`have`): all that hold one."""
    have = set(have)
    found = [values_of(column, have) for column in sorted(columns) if column in STEMS]
    return tuple(column for values in found if len(values) > 1 for column in values)


def each_value(table: str, columns: Iterable[str], of: Iterable[str]) -> str:
    """`table` with a row for each value that a record has of the columns `of`; itself if `columns` hold one at most."""
    have = several_of(of, columns)
    for stem in MADE_OF:
        firsts = [column for column in have if STEMS.get(column) == stem]
        if firsts:
            unnested = (f"unnest([{', '.join(values_of(column, have))}]) AS {column}" for column in firsts)
            table = f"(SELECT * REPLACE ({', '.join(unnested)}) FROM {table})"
    return table


def best_level(sql: str, stem: str, count: int, levels: int) -> str:
    """The lowest level of all combinations of two records' values, of which `sql` compares the first; `levels` more if one has several."""
    if count == 1:
        return sql
    pattern = re.compile(rf"\b([lr])\.({'|'.join((*MADE_OF[stem], 'ep'))})\b")
    found = [sql]
    for one, other in list(product(NTH[:count], repeat=2))[1:]:
        nth = {"l": one, "r": other}
        combined = pattern.sub(lambda at, nth=nth: f"{at[0]}{nth[at[1]]}", sql)  # type: ignore[misc]
        found.append(f"CASE WHEN l.{stem}{one} IS NOT NULL AND r.{stem}{other} IS NOT NULL THEN {combined} END")
    several = " OR ".join(f"{side}.{column} IS NOT NULL" for side in "lr" for column in named(stem, count)[1:])
    return f"CASE WHEN {several} THEN {levels} + {least(found)} ELSE {sql} END"


def least(values: Sequence[str]) -> str:
    """SQL: the least of some values that are not NULL."""
    return values[0] if len(values) == 1 else f"least({', '.join(values)})"
