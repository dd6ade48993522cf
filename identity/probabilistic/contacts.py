"""E-mail address and phone as factors."""

from __future__ import annotations

from identity.probabilistic.factors import Factor, missing, one_off, simple

_LEVELS = (
    ("same", 0.62, 1e-6, 1e-5),
    ("same name part", 0.05, 1e-6, 1e-4),
    ("same name part, as the name has it", 0.04, 1e-4, 3e-2),
    ("same beyond the name", 0.04, 1e-4, 1e-3),
    ("close", 0.06, 1e-4, 2e-2),
    ("both as the name has it", 0.05, 0.3, 0.3),
    ("different", 0.14, 0.7, 0.65),
)


_NAMESAKES = (
    "CASE WHEN l.given = r.given THEN l.family = r.family OR jaro_winkler_similarity(l.family, r.family) >= 0.92 "
    "WHEN l.family = r.family THEN jaro_winkler_similarity(l.given, r.given) >= 0.92 ELSE false END"
)


def email_factor(names: bool) -> Factor:
    """What is known of two people of one name is already in their addresses: pairs of namesakes are a group of their own."""
    count = len(_LEVELS)
    same_name = f"CASE WHEN {_NAMESAKES} THEN {count} ELSE 0 END" if names else "0"
    sql = (
        f"CASE WHEN {missing('email')} THEN 0 ELSE {same_name} + CASE WHEN l.email = r.email THEN 1 "
        f"WHEN l.local = r.local THEN CASE WHEN LENGTH(l.residue) > 1 THEN 2 ELSE 3 END "
        f"WHEN LENGTH(l.residue) > 1 AND l.residue = r.residue THEN 4 "
        f"WHEN LENGTH(l.residue) > 1 AND LENGTH(r.residue) > 1 AND {_like('local')} >= 0.92 THEN 5 "
        f"WHEN l.ep < -2 AND {_like('domain')} >= 0.9 AND {_like('email')} >= 0.9 THEN 5 "
        f"WHEN LENGTH(l.residue) <= 1 AND LENGTH(r.residue) <= 1 THEN 6 ELSE 7 END END"
    )
    levels = ["missing", *(level[0] for level in _LEVELS), *(f"{level[0]}, as is the name" for level in _LEVELS)]
    match = [1.0, *(level[1] for level in _LEVELS), *(level[1] for level in _LEVELS)]
    random = [1.0, *(level[2] for level in _LEVELS), *(level[3] for level in _LEVELS)]
    groups = [0, *([1] * count), *([2] * count)]
    return Factor(
        "e-mail",
        ("email",),
        sql,
        tuple(levels),
        tuple(groups),
        tuple(match),
        tuple(random),
        agreeing={"email": "same"},
        counted={(2, 3): _SAME_LOCAL},
        namesakes=2 if names else None,
    )


def _like(column: str) -> str:
    return f"jaro_winkler_similarity(l.{column}, r.{column})"


_PAIRS_BY = (
    "SELECT level, {1} * n * (n - 1) / 2 AS pairs FROM (SELECT CASE WHEN LENGTH(residue) > 1 THEN 2 ELSE 3 END AS level, "
    "count(*)::DOUBLE AS n FROM prepared WHERE residue IS NOT NULL GROUP BY level, hash({0}) HAVING n > 1)"
)
_DIFFERENT = f"{_PAIRS_BY.format('local', '1')} UNION ALL {_PAIRS_BY.format('email', '-1')}"
_SAME_LOCAL = f"SELECT level, greatest(sum(pairs), 0) FROM ({_DIFFERENT}) GROUP BY level"
"""Pairs of different addresses with one part before the @; too rare among pairs drawn at random.

Never below none: Gmail's dots make several such parts one address.
"""


PHONE = simple(
    "phone",
    "phone",
    f"CASE WHEN {missing('phone')} THEN 0 WHEN l.phone = r.phone THEN 1 "
    f"WHEN ends_with(l.phone, r.phone) OR ends_with(r.phone, l.phone) THEN 2 WHEN {one_off('phone')} THEN 3 ELSE 4 END",
    (("same", 0.7, 1e-6), ("same but for country or area", 0.03, 1e-6), ("one digit off", 0.04, 1e-6), ("different", 0.23, 1.0)),
    agreeing="phone",
)
