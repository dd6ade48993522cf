"""The name as a factor: given and family name together, weighed by how common they are."""

from __future__ import annotations

import numpy as np

from identity.probabilistic.factors import Factor, Floats, Household, Joint, missing
from identity.probabilistic.nicknames import PAIRS, WIDTH

_GIVEN = (
    ("missing", 1.0, 1.0),
    ("same (rare)", 0.3, 1e-4),
    ("same", 0.3, 2e-3),
    ("same (common)", 0.2, 6e-3),
    ("same (very common)", 0.02, 2e-3),
    ("variant", 0.05, 3e-3),
    ("close", 0.04, 4e-3),
    ("initial", 0.01, 2e-3),
    ("similar", 0.03, 1e-2),
    ("different", 0.05, 0.97),
)
_FAMILY = (
    ("missing", 1.0, 1.0),
    ("same (rare)", 0.4, 1e-4),
    ("same", 0.3, 1e-3),
    ("same (common)", 0.17, 2e-3),
    ("part of a double name", 0.01, 5e-4),
    ("close", 0.04, 2e-3),
    ("similar", 0.02, 1e-2),
    ("different", 0.06, 0.98),
)
SWAPPED = len(_GIVEN) * len(_FAMILY)
OTHER_GIVEN = 0.2
"""So many matches, at most, have given names that are not alike at all: those who go by a middle name, or by a pet name that nobody knows.
Most tables have one in fifty, badly damaged ones one in five."""
BOTH_SAME = tuple((1 + b) * len(_FAMILY) + 1 for b in range(4))
"""The levels at which both names agree, from rare full names to very common ones."""


def name_factor(given: bool, family: bool) -> Factor:
    """Given and family name together; where both agree the level tells how common the full name is."""
    first = _given_sql() if given else "0"
    last = _family_sql() if family else "0"
    full = "LEAST(l.gp, r.gp) + LEAST(l.fp, r.fp)"
    joint = (
        f"CASE WHEN l.given <> l.family AND l.given = r.family AND l.family = r.given THEN {SWAPPED} "
        f"WHEN l.given = r.given AND l.family = r.family THEN "
        f"{_both_same(full)} "
        f"ELSE ({first}) * {len(_FAMILY)} + ({last}) END"
    )
    sql = joint if given and family else f"({first}) * {len(_FAMILY)} + ({last})"
    names, groups, match, random = [], [], [], []
    for f, (first_name, fm, fu) in enumerate(_GIVEN):
        for s, (last_name, sm, su) in enumerate(_FAMILY):
            names.append(f"given name {first_name}, family name {last_name}")
            groups.append((2 if f else 0) + (1 if s else 0))
            match.append(fm * sm)
            random.append(fu * su)
    for level, share in zip(BOTH_SAME, ("rare", "not rare", "common", "very common"), strict=True):
        names[level] = f"both names same ({share})"
    names.append("given and family name swapped")
    groups.append(3)
    match.append(0.003)
    random.append(1e-6)
    joint_parts = Joint(
        len(_GIVEN),
        len(_FAMILY),
        ("given", _BIN.format("gp")) if given else None,
        ("family", _BIN.format("fp")) if family else None,
        _name_counts() if given and family else {},
        (4, 3),
        tuple(f * len(_FAMILY) + k for f in range(1, 5) for k in (2, 3)) if given and family else (),
        _name_spread() if given and family else "",
    )
    kind = (Household.NAME if family else Household.GIVEN) if given else Household.FREE
    return Factor(
        "name", ("given", "family"), sql, tuple(names), tuple(groups), tuple(match), tuple(random), kind, 0.015, 0.015, joint=joint_parts
    )


_BIN = "CASE WHEN {0} < -3.5 THEN 1 WHEN {0} < -2.5 THEN 2 ELSE 3 END"


def _both_same(share: str) -> str:
    """The level of those who agree on both names, by how common the full name is (log10 of its share)."""
    return "CASE WHEN {0} < -6.5 THEN {1} WHEN {0} < -5.5 THEN {2} WHEN {0} < -4.5 THEN {3} ELSE {4} END".format(share, *BOTH_SAME)


def _name_counts() -> dict[tuple[int, ...], str]:
    """Queries for the pairs that agree on both names, by how common the full name is; and for those that have them swapped."""
    groups = "SELECT given, family, count(*)::DOUBLE AS n FROM prepared WHERE given <> family GROUP BY given, family"
    shared = (
        f"SELECT shared.n AS n, gp + fp AS p FROM ({groups} HAVING count(*) > 1) AS shared "
        f"JOIN share_given AS g ON g.value = given JOIN share_family AS f ON f.value = family"
    )
    counts = {BOTH_SAME: f"SELECT {_both_same('p')} AS level, sum(n * (n - 1) / 2) FROM ({shared}) GROUP BY level"}
    both_ways = "given IN (SELECT value FROM share_family) AND family IN (SELECT value FROM share_given)"
    name = f"SELECT * FROM ({groups}) WHERE {both_ways}"
    pairs = "SELECT sum(a.n * b.n) / 2 FROM name a JOIN name b ON a.given = b.family AND a.family = b.given"
    return {**counts, (SWAPPED,): f"WITH name AS ({name}) SELECT {SWAPPED}, ({pairs})"}


def _name_spread() -> str:
    """Query: if given and family names knew nothing of each other, of those who agree on both so many would have a full name so common.

    In whole numbers, whose sums know no order.
    """
    agree = "SELECT round({0}, 2) AS {0}, sum(records::HUGEINT * (records - 1))::HUGEINT AS n FROM share_{1} GROUP BY ALL HAVING n > 0"
    both = f"({agree.format('gp', 'given')}) AS g, ({agree.format('fp', 'family')}) AS f"
    return f"SELECT {_BIN.format('gp')}, {_BIN.format('fp')}, {_both_same('gp + fp')}, sum(g.n * f.n) FROM {both} GROUP BY ALL"


def _given_sql() -> str:
    similar = "jaro_winkler_similarity(l.given, r.given)"
    return (
        f"CASE WHEN {missing('given')} THEN 0 WHEN l.given = r.given THEN {_BIN.format('l.gp')} "
        f"WHEN LENGTH(l.given) = 1 OR LENGTH(r.given) = 1 THEN CASE WHEN left(l.given, 1) = left(r.given, 1) THEN 7 ELSE 9 END "
        f"WHEN l.given1 = r.given1 OR starts_with(l.given, r.given) OR starts_with(r.given, l.given) "
        f"OR l.nick * {WIDTH} + r.nick IN (FROM {PAIRS}) THEN 5 "
        f"WHEN {similar} >= 0.92 THEN 6 WHEN {similar} >= 0.8 THEN 8 ELSE 9 END"
    )


def _family_sql() -> str:
    similar = "jaro_winkler_similarity(l.family, r.family)"
    contained = "LENGTH(l.family) > 3 AND LENGTH(r.family) > 3 AND (contains(l.family, r.family) OR contains(r.family, l.family))"
    return (
        f"CASE WHEN {missing('family')} THEN 0 "
        f"WHEN l.family = r.family THEN {_BIN.format('l.fp')} "
        f"WHEN {_double_sql()} THEN 4 WHEN {similar} >= 0.92 OR {contained} THEN 5 WHEN {similar} >= 0.8 THEN 6 ELSE 7 END"
    )


def _double_sql() -> str:
    """One is named Meier, the other Meier-Schmidt; or García Márquez and Márquez García. CASE, because most records have no double name."""
    part = " OR ".join(f"coalesce(contains({a}.double_name, ' ' || {b}.family || ' '), false)" for a, b in ("lr", "rl"))
    return (
        f"CASE WHEN l.double_name IS NULL AND r.double_name IS NULL THEN false "
        f"ELSE {part} OR coalesce(l.double_name = r.double_name, false) END"
    )


def mostly_one_given_name(learned: Floats) -> Floats:
    """Names of matches (as pairs), of which at most a share OTHER_GIVEN have different given names: else they would be a household."""
    table = learned.copy()
    parts = table[:SWAPPED].reshape(len(_GIVEN), len(_FAMILY))
    for families in (slice(0, 1), slice(1, None)):
        same, other = parts[1:-1, families].sum(), parts[-1, families].sum()
        parts[-1, families] *= min(OTHER_GIVEN / (1 - OTHER_GIVEN) * same / max(other, 1e-12), 1.0)
    return table


def household_given(random: Floats, alike: float) -> Floats:
    """Given names, alone, in a household: as by chance, but for a share `alike` of the same one."""
    table = random.copy()
    given = table[len(_FAMILY) : SWAPPED : len(_FAMILY)]
    same = np.where(np.arange(len(given)) < 4, given, 0.0)
    given[:] = given * (1 - alike) + alike * same / same.sum()
    return table


def household_names(learned: Floats, random: Floats, alike: float) -> Floats:
    """Names in a household: family name as `learned`, given name as by chance (`random`), but for a share `alike` of the same one."""
    seen, chance = (table[:SWAPPED].reshape(len(_GIVEN), len(_FAMILY)) for table in (learned, random))
    family, given = seen[1:, 1:].sum(axis=0), chance[1:, 1:].sum(axis=1)
    family, given = family / family.sum(), given / given.sum()
    given = given * (1 - alike) + alike * np.where(np.arange(len(given)) < 4, given, 0.0) / given[:4].sum()
    table = np.ones_like(seen)
    table[1:, 1:] = np.outer(given, family)
    table[1:, 0], table[0, 1:] = given, family
    table[1:5, 1:4] = 0.0
    both = np.append(table.ravel(), random[SWAPPED])
    rare = list(BOTH_SAME)
    both[rare] = given[:4].sum() * family[:3].sum() * random[rare] / random[rare].sum()
    return both
