"""E-mail address and phone as factors."""

from __future__ import annotations

from dataclasses import replace

from identity.probabilistic.factors import Factor, Kindred, missing, one_off, simple
from identity.probabilistic.nicknames import PAIRS, WIDTH
from identity.probabilistic.several import best_level
from identity.probabilistic.sharing import counted_apart

OF_SEVERAL = ", of several"
_ONE_OR_SEVERAL = ("", OF_SEVERAL)
"""Pairs of which one has several values are groups of their own: something of them agrees more often, among matches and by chance."""

_LEVELS = (
    ("same", 0.62, 1e-6, 3e-6, 1e-5),
    ("same name part", 0.05, 1e-6, 1e-5, 1e-4),
    ("same name part, as the name has it", 0.04, 1e-4, 1e-3, 3e-2),
    ("same beyond the name", 0.04, 1e-4, 1e-3, 1e-3),
    ("close", 0.06, 1e-4, 1e-3, 2e-2),
    ("both as the name has it", 0.05, 0.3, 0.3, 0.3),
    ("different", 0.14, 0.7, 0.7, 0.65),
)
"""Level, its share among matches, and at random: of any two people, of two of one given name, of two of one name."""

_GIVEN, _BOTH = ("given",), ("given", "family")
_COMMON_NAME = (
    "CASE WHEN l.given = r.given "
    "THEN CASE WHEN l.family = r.family OR jaro_winkler_similarity(l.family, r.family) >= 0.92 THEN 2 ELSE 1 END "
    "WHEN l.family = r.family THEN CASE WHEN starts_with(l.given, r.given) OR starts_with(r.given, l.given) "
    f"OR l.nick * {WIDTH} + r.nick IN (FROM {PAIRS}) OR jaro_winkler_similarity(l.given, r.given) >= 0.92 THEN 2 ELSE 0 END "
    "WHEN l.given = r.family AND l.family = r.given THEN 2 ELSE 0 END"
)
"""What of their names two people have in common: nothing to speak of, the given name, both."""

_OTHER_DIGITS = (
    "REGEXP_FULL_MATCH(l.residue || r.residue, '[0-9]+') AND (LENGTH(l.residue) < 4 OR damerau_levenshtein(l.residue, r.residue) > 1)"
)
"""Of addresses that are close: all that either says beyond a name are digits, and those are others (no typing mistake in a year)."""


_LETTERS = "REGEXP_REPLACE(l.local, '[^a-z]+', '', 'g')"
_BY_ONE_NAME = (
    f"WHEN l.local = r.local AND {_LETTERS} IN (l.given1, l.family) AND {_LETTERS} IN (r.given1, r.family) "
    "THEN CASE WHEN LENGTH(l.residue) > 1 AND LENGTH(r.residue) > 1 THEN 4 ELSE 6 END "
)
"""Of two people of one name, addresses that are this name say no more than their digits."""


def email_factor(names: bool, values: int = 1) -> Factor:
    """What is known of two people of one name is already in their addresses: pairs with a name in common are groups of their own.

    `values`: how many a record may have.
    """
    kinds = _ONE_OR_SEVERAL[: min(values, 2)]
    count, size = len(_LEVELS), len(_LEVELS) * len(kinds)
    in_common = f"({_COMMON_NAME}) * {size}" if names else "0"
    alike = (
        f"CASE WHEN l.email = r.email THEN 1 "
        f"{_BY_ONE_NAME if names else ''}"
        f"WHEN l.local = r.local THEN CASE WHEN LENGTH(l.residue) > 1 AND LENGTH(r.residue) > 1 THEN 2 ELSE 3 END "
        f"WHEN LENGTH(l.residue) > 1 AND l.residue = r.residue THEN 4 "
        f"WHEN LENGTH(l.residue) > 1 AND LENGTH(r.residue) > 1 AND {_like('local')} >= 0.92 "
        f"THEN CASE WHEN {_OTHER_DIGITS} THEN 7 ELSE 5 END "
        f"WHEN l.ep < -2 AND {_like('domain')} >= 0.9 AND {_like('email')} >= 0.9 THEN 5 "
        f"WHEN LENGTH(l.residue) <= 1 AND LENGTH(r.residue) <= 1 THEN 6 ELSE 7 END"
    )
    told = ("", ", as is the given name", ", as is the name")
    levels = [f"{level[0]}{kind}{name}" for name in told for kind in kinds for level in _LEVELS]
    _, match, *random = (share * len(kinds) for share in zip(*_LEVELS, strict=True))
    groups = [nth for nth in range(1, len(told) * len(kinds) + 1) for _ in _LEVELS]
    rare: dict[tuple[int, ...], str] = {(1, 1 + count): counted_apart("email", values, "1", count)} if values > 1 else {}
    local = counted_apart("local", values, _BY_RESIDUE, count, less="email") if values > 1 else _SAME_LOCAL
    blocks = [tuple(range(1 + nth * size, 1 + (nth + 1) * size)) for nth in range(len(told))]
    return Factor(
        "e-mail",
        ("email",),
        f"CASE WHEN {missing('email')} THEN 0 ELSE {in_common} + {best_level(alike, 'email', values, count)} END",
        ("missing", *levels),
        (0, *groups),
        (1.0, *match, *match, *match),
        (1.0, *(share for shares in random for share in shares)),
        agreeing={} if rare else {"email": "same"},
        counted={**rare, tuple(nth * count + level for nth in range(len(kinds)) for level in (2, 3)): local},
        kindred=(Kindred(_GIVEN, blocks[1]), Kindred(_BOTH, blocks[2])) if names else (),
        own=tuple(1 + nth * count for nth in range(len(kinds))),
    )


def _like(column: str) -> str:
    return f"jaro_winkler_similarity(l.{column}, r.{column})"


_PAIRS_BY = (
    "SELECT level, {1} * n * (n - 1) / 2 AS pairs FROM (SELECT CASE WHEN LENGTH(residue) > 1 THEN 2 ELSE 3 END AS level, "
    "count(*)::DOUBLE AS n FROM prepared WHERE residue IS NOT NULL GROUP BY level, hash({0}) HAVING n > 1)"
)
_BY_RESIDUE = "CASE WHEN LENGTH(residue{0}) > 1 THEN 2 ELSE 3 END"
_DIFFERENT = f"{_PAIRS_BY.format('local', '1')} UNION ALL {_PAIRS_BY.format('email', '-1')}"
_SAME_LOCAL = f"SELECT level, greatest(sum(pairs), 0) FROM ({_DIFFERENT}) GROUP BY level"
"""Pairs of different addresses with one part before the @; too rare among pairs drawn at random.

Never below none: Gmail's dots make several such parts one address.
"""


_PHONE = (("same", 0.7, 1e-6), ("same but for country or area", 0.03, 1e-6), ("one digit off", 0.04, 1e-6), ("different", 0.23, 1.0))


def phone_factor(values: int = 1) -> Factor:
    """`values`: how many a record may have."""
    count = len(_PHONE)
    alike = (
        f"WHEN l.phone = r.phone THEN 1 "
        f"WHEN ends_with(l.phone, r.phone) OR ends_with(r.phone, l.phone) THEN 2 "
        f"WHEN right(l.phone, 10) = right(r.phone, 10) THEN 2 "  # +7 912 … and 8 912 …: no prefix is a part of another
        f"WHEN {one_off('phone')} THEN 3 ELSE 4 END"
    )
    if values == 1:
        one = simple("phone", "phone", f"CASE WHEN {missing('phone')} THEN 0 {alike}", _PHONE, agreeing="phone")
        return replace(one, own=(1, 2))
    sql = f"CASE WHEN {missing('phone')} THEN 0 ELSE {best_level(f'CASE {alike}', 'phone', values, count)} END"
    levels = (*_PHONE, *((f"{level}{OF_SEVERAL}", match, random) for level, match, random in _PHONE))
    both = simple("phone", "phone", sql, levels)
    groups = (0, *(1 for _ in _PHONE), *(2 for _ in _PHONE))
    counted: dict[tuple[int, ...], str] = {(1, 1 + count): counted_apart("phone", values, "1", count)}
    return replace(both, groups=groups, counted=counted, own=(1, 2, 1 + count, 2 + count))
