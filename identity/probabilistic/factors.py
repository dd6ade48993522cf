"""What is compared of two records: factors, each with levels from "the same" to "different".

A factor is one CASE over l.<column> and r.<column>. Its levels fall into groups by what is missing: within a group the
probabilities of a class add up to one, so that a missing value is no evidence. Name and place are joint factors: that two people
are both called john and both smith is one fact, and who moves changes street, postcode and city at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum

import numpy as np
import numpy.typing as npt

from identity.clustering import Ints
from identity.probabilistic.nicknames import PAIRS, WIDTH

Floats = npt.NDArray[np.float64]


class Household(Enum):
    """What the class "another person of the same household" makes of a factor."""

    FREE = "learned"
    RANDOM = "as for two people drawn at random, but for a small share that agree (twins, father and son)"
    NAME = "family name learned, given name as for two people drawn at random"


@dataclass(frozen=True, slots=True)
class Joint:
    """The two parts of a joint factor: level = first part × `second` + second part; levels beyond are of neither.

    `same_first`, `same_second`: a column whose equal values make the part's levels 1 …, and the expression of which level.
    `counted`: levels, and the queries over the prepared table that count their pairs. `never`: levels that cannot occur.
    """

    first: int
    second: int
    same_first: tuple[str, str] | None
    same_second: tuple[str, str] | None
    counted: dict[int, str]
    never: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Factor:
    """One factor. `levels` are names, level 0 first; `groups[level]` says what is missing, 0 = nothing to compare.

    `match` and `random` are how often each level is expected among matches and among pairs drawn at random, before any data:
    within a group they are weighed as counts of `PRIOR` pairs. `agreeing`: a column, and the level of those with one value in it.
    `counted`: levels too rare for a sample, and the queries over the prepared table that count their pairs.
    `namesakes`: the group of pairs that agree on both names, which are drawn by themselves.
    `alike`: the share of a household that agrees although its members are different people; at most `most_alike` is learned.
    """

    name: str
    sql: str
    levels: tuple[str, ...]
    groups: tuple[int, ...]
    match: tuple[float, ...]
    random: tuple[float, ...]
    household: Household = Household.FREE
    alike: float = 0.0
    most_alike: float = 0.0
    agreeing: dict[str, str] = field(default_factory=dict)
    counted: dict[int, str] = field(default_factory=dict)
    joint: Joint | None = None
    namesakes: int | None = None


def _simple(
    name: str,
    sql: str,
    levels: Sequence[tuple[str, float, float]],
    household: Household = Household.FREE,
    alike: float = 0.0,
    most_alike: float = 0.0,
    agreeing: str = "",
) -> Factor:
    """A factor of one thing: level 0 is "missing", the others are (name, share among matches, share at random)."""
    names, match, random = zip(("missing", 1.0, 1.0), *levels, strict=True)
    groups = (0, *(1 for _ in levels))
    return Factor(name, sql, names, groups, match, random, household, alike, most_alike, {agreeing: names[1]} if agreeing else {})


def factors_for(columns: Sequence[str], sources: int) -> tuple[Factor, ...]:
    """The factors that a table with `columns` allows; whether two records are of one source counts where there are several."""
    have = set(columns)
    found: list[Factor] = []
    if "given" in have or "family" in have:
        found.append(name_factor("given" in have, "family" in have))
    if "middle" in have:
        found.append(_MIDDLE)
    if "dob" in have:
        found.append(_BIRTH)
    if "email" in have:
        found.append(_email_factor({"given", "family"} <= have))
    if "phone" in have:
        found.append(_PHONE)
    if have & {"street", "postcode", "city"}:
        found.append(place_factor(have))
    if "gender" in have:
        found.append(_GENDER)
    if "org" in have:
        found.append(_text("organisation", "org", "op"))
    found += [_identifier(c) for c in columns if c.startswith("id_")]
    found += [_text(c, c, f"{c}p") for c in columns if c.startswith("text_") and not c.endswith("p")]
    if sources > 1:
        found.append(_SOURCE)
    return tuple(found)


def _missing(*columns: str) -> str:
    return " OR ".join(f"{side}.{column} IS NULL" for column in columns for side in "lr")


# --- name ---------------------------------------------------------------------------------------------------------------------------

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
    ("close", 0.05, 2e-3),
    ("similar", 0.02, 1e-2),
    ("different", 0.06, 0.98),
)
SWAPPED = len(_GIVEN) * len(_FAMILY)
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
        f"(CASE WHEN {full} < -6.5 THEN 1 WHEN {full} < -5.5 THEN 2 WHEN {full} < -4.5 THEN 3 ELSE 4 END) * {len(_FAMILY)} + 1 "
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
        tuple(f * len(_FAMILY) + k for f in range(1, 5) for k in (2, 3)) if given and family else (),
    )
    kind = Household.NAME if given and family else Household.FREE
    return Factor("name", sql, tuple(names), tuple(groups), tuple(match), tuple(random), kind, 0.015, 0.015, joint=joint_parts)


_BIN = "CASE WHEN {0} < -3.5 THEN 1 WHEN {0} < -2.5 THEN 2 ELSE 3 END"
_FULL_BINS = (("-inf", "-6.5"), ("-6.5", "-5.5"), ("-5.5", "-4.5"), ("-4.5", "inf"))


def _name_counts() -> dict[int, str]:
    """Queries for the pairs that agree on both names, by how common the full name is; and for those that have them swapped."""
    groups = "SELECT given, family, count(*)::DOUBLE AS n FROM prepared WHERE given <> family GROUP BY given, family"
    shared = (
        f"SELECT n, gp + fp AS p FROM ({groups} HAVING count(*) > 1) "
        f"JOIN share_given AS g ON g.value = given JOIN share_family AS f ON f.value = family"
    )
    counts = {
        level: f"SELECT sum(n * (n - 1) / 2) FROM ({shared}) WHERE p >= '{low}'::FLOAT AND p < '{high}'::FLOAT"
        for level, (low, high) in zip(BOTH_SAME, _FULL_BINS, strict=True)
    }
    both_ways = "given IN (SELECT value FROM share_family) AND family IN (SELECT value FROM share_given)"
    name = f"SELECT * FROM ({groups}) WHERE {both_ways}"
    swapped = f"WITH name AS ({name}) SELECT sum(a.n * b.n) / 2 FROM name a JOIN name b ON a.given = b.family AND a.family = b.given"
    return {**counts, SWAPPED: swapped}


def _given_sql() -> str:
    similar = "jaro_winkler_similarity(l.given, r.given)"
    return (
        f"CASE WHEN {_missing('given')} THEN 0 WHEN l.given = r.given THEN {_BIN.format('l.gp')} "
        f"WHEN LENGTH(l.given) = 1 OR LENGTH(r.given) = 1 THEN CASE WHEN left(l.given, 1) = left(r.given, 1) THEN 7 ELSE 9 END "
        f"WHEN l.given1 = r.given1 OR starts_with(l.given, r.given) OR starts_with(r.given, l.given) "
        f"OR l.nick * {WIDTH} + r.nick IN (FROM {PAIRS}) THEN 5 "
        f"WHEN {similar} >= 0.92 THEN 6 WHEN {similar} >= 0.8 THEN 8 ELSE 9 END"
    )


def _family_sql() -> str:
    similar = "jaro_winkler_similarity(l.family, r.family)"
    contained = "LENGTH(l.family) > 3 AND LENGTH(r.family) > 3 AND (contains(l.family, r.family) OR contains(r.family, l.family))"
    return (
        f"CASE WHEN {_missing('family')} THEN 0 "
        f"WHEN l.family = r.family THEN {_BIN.format('l.fp')} "
        f"WHEN {similar} >= 0.92 OR {contained} THEN 4 WHEN {similar} >= 0.8 THEN 5 ELSE 6 END"
    )


def family_part(level: Ints) -> Ints:
    """The family name's own level within levels of the name factor."""
    return level % len(_FAMILY)


def given_part(level: Ints) -> Ints:
    """The given name's own level within levels of the name factor."""
    return level // len(_FAMILY)


# --- place --------------------------------------------------------------------------------------------------------------------------

_STREET = (
    ("missing", 1.0, 1.0),
    ("same house", 0.55, 1e-5),
    ("same street, a number missing", 0.04, 1e-4),
    ("same street, other number", 0.05, 1e-3),
    ("same number, street close", 0.12, 1e-4),
    ("street close", 0.04, 3e-3),
    ("same number, other street", 0.05, 2e-2),
    ("other street", 0.15, 0.97),
)
_LOCALITY = (
    ("missing", 1.0, 1.0),
    ("same (rare)", 0.25, 1e-3),
    ("same", 0.25, 2e-3),
    ("same (common)", 0.2, 1e-2),
    ("near", 0.1, 1e-2),
    ("other", 0.2, 0.97),
)


def place_factor(have: set[str]) -> Factor:
    """Street and locality together."""
    sql = f"({_street_sql('house' in have) if 'street' in have else '0'}) * {len(_LOCALITY)} + ({_locality_sql(have)})"
    names, groups, match, random = [], [], [], []
    for s, (street, sm, su) in enumerate(_STREET):
        for k, (locality, km, ku) in enumerate(_LOCALITY):
            names.append(f"{street}, locality {locality}")
            groups.append((2 if s else 0) + (1 if k else 0))
            match.append(sm * km)
            random.append(su * ku)
    locality = "postcode" if "postcode" in have else "city" if "city" in have else None
    bins = _PLACE_BIN.format("pp" if locality == "postcode" else "cp")
    counted = {}
    if "street" in have and "house" in have and locality:
        places = (
            f"SELECT {locality} AS v, count(*)::DOUBLE AS n FROM prepared WHERE house IS NOT NULL GROUP BY street, house, v HAVING n > 1"
        )
        shared = f"SELECT {bins} AS bin, n FROM ({places}) JOIN share_{locality} ON value = v"
        counted = {len(_LOCALITY) + k: f"SELECT sum(n * (n - 1) / 2) FROM ({shared}) WHERE bin = {k}" for k in (1, 2, 3)}
    joint = Joint(len(_STREET), len(_LOCALITY), None, (locality, bins) if locality else None, counted)
    return Factor("place", sql, tuple(names), tuple(groups), tuple(match), tuple(random), joint=joint)


_PLACE_BIN = "CASE WHEN {0} < -3.5 THEN 1 WHEN {0} < -2 THEN 2 ELSE 3 END"


def _street_sql(house: bool) -> str:
    close = "jaro_winkler_similarity(l.street, r.street)"
    return (
        f"CASE WHEN {_missing('street')} THEN 0 WHEN l.street = r.street THEN "
        f"CASE WHEN l.house = r.house THEN 1 WHEN {_missing('house')} THEN 2 ELSE 3 END "
        f"WHEN {close} >= 0.88 THEN CASE WHEN l.house = r.house THEN 4 ELSE 5 END "
        f"WHEN l.house = r.house THEN 6 ELSE 7 END"
    )


def _locality_sql(have: set[str]) -> str:
    def bins(column: str) -> str:
        return _PLACE_BIN.format(f"l.{column}")

    city_close = "jaro_winkler_similarity(l.city, r.city) >= 0.9"
    if {"postcode", "city"} <= have:
        return (
            f"CASE WHEN l.postcode = r.postcode THEN {bins('pp')} "
            f"WHEN l.postcode <> r.postcode THEN CASE WHEN l.city = r.city OR {_one_off('postcode')} THEN 4 ELSE 5 END "
            f"WHEN {_missing('city')} THEN 0 WHEN l.city = r.city THEN {bins('cp')} WHEN {city_close} THEN 4 ELSE 5 END"
        )
    if "postcode" in have:
        same = f"WHEN l.postcode = r.postcode THEN {bins('pp')} WHEN {_one_off('postcode')} THEN 4"
        return f"CASE WHEN {_missing('postcode')} THEN 0 {same} ELSE 5 END"
    if "city" in have:
        return f"CASE WHEN {_missing('city')} THEN 0 WHEN l.city = r.city THEN {bins('cp')} WHEN {city_close} THEN 4 ELSE 5 END"
    return "0"


# --- the others ---------------------------------------------------------------------------------------------------------------------


def _one_off(column: str) -> str:
    """One character replaced, or two neighbours exchanged, in values of one length. CASE, because DuckDB evaluates all of an AND."""
    left, right = f"l.{column}", f"r.{column}"
    exchanged = f"list_sort(string_split({left}, '')) = list_sort(string_split({right}, ''))"
    return (
        f"CASE WHEN LENGTH({left}) = LENGTH({right}) "
        f"THEN CASE hamming({left}, {right}) WHEN 1 THEN true WHEN 2 THEN {exchanged} ELSE false END ELSE false END"
    )


def _birth_sql() -> str:
    """Cheap tests first: one digit off, or two exchanged, leaves two of year, month and day as they are."""

    def part(side: str, sql: str) -> str:
        return sql.format(f"{side}.born")

    year, month, day = "{0} // 10000", "{0} // 100 % 100", "{0} % 100"
    same = {name: f"({part('l', sql)} = {part('r', sql)})" for name, sql in (("year", year), ("month", month), ("day", day))}
    swapped = f"{part('l', day)} = {part('r', month)} AND {part('l', month)} = {part('r', day)}"
    # as days, roughly: what is no date of the calendar has a place too
    days = "({0} // 10000 * 365 + {0} // 100 % 100 * 30 + {0} % 100)"
    apart = f"abs({part('l', days)} - {part('r', days)})"
    return (
        f"CASE WHEN {_missing('dob')} THEN 0 WHEN l.dob = r.dob THEN CASE WHEN ends_with(l.dob, '0000') THEN 5 ELSE 1 END "
        f"WHEN {same['year']}::INT + {same['month']}::INT + {same['day']}::INT >= 2 THEN CASE WHEN {_one_off('dob')} THEN 3 ELSE 4 END "
        f"WHEN {same['year']} THEN CASE WHEN {swapped} THEN 2 ELSE 5 END "
        f"WHEN {apart} <= 62 THEN 5 WHEN {apart} <= 500 THEN 6 ELSE 7 END"
    )


_BIRTH = _simple(
    "birth date",
    _birth_sql(),
    (
        ("same", 0.88, 5e-5),
        ("day and month swapped", 0.01, 1e-5),
        ("one digit off", 0.04, 7e-4),
        ("two parts same", 0.02, 3e-3),
        ("same year, or within two months", 0.015, 1.7e-2),
        ("within some 16 months", 0.005, 3e-2),
        ("different", 0.03, 0.95),
    ),
    Household.RANDOM,
    0.01,
    0.02,
    "dob",
)
_EMAIL_LEVELS = (
    ("same", 0.62, 1e-6, 1e-5),
    ("same name part", 0.05, 1e-6, 1e-4),
    ("same name part, as the name has it", 0.04, 1e-4, 3e-2),
    ("same beyond the name", 0.04, 1e-4, 1e-3),
    ("close", 0.06, 1e-4, 2e-2),
    ("both as the name has it", 0.05, 0.3, 0.3),
    ("different", 0.14, 0.7, 0.65),
)


def _email_factor(names: bool) -> Factor:
    """What is known of two people of one name is already in their addresses: pairs of namesakes are a group of their own."""
    count = len(_EMAIL_LEVELS)
    same_name = f"CASE WHEN l.given = r.given AND l.family = r.family THEN {count} ELSE 0 END" if names else "0"
    sql = (
        f"CASE WHEN {_missing('email')} THEN 0 ELSE {same_name} + CASE WHEN l.email = r.email THEN 1 "
        f"WHEN l.local = r.local THEN CASE WHEN LENGTH(l.residue) > 1 THEN 2 ELSE 3 END "
        f"WHEN LENGTH(l.residue) > 1 AND l.residue = r.residue THEN 4 "
        f"WHEN LENGTH(l.residue) > 1 AND LENGTH(r.residue) > 1 AND jaro_winkler_similarity(l.local, r.local) >= 0.92 THEN 5 "
        f"WHEN l.ep < -2 AND jaro_winkler_similarity(l.email, r.email) >= 0.9 AND jaro_winkler_similarity(l.domain, r.domain) >= 0.9 THEN 5 "
        f"WHEN LENGTH(l.residue) <= 1 AND LENGTH(r.residue) <= 1 THEN 6 ELSE 7 END END"
    )
    levels = ["missing", *(level[0] for level in _EMAIL_LEVELS), *(f"{level[0]}, as is the name" for level in _EMAIL_LEVELS)]
    match = [1.0, *(level[1] for level in _EMAIL_LEVELS), *(level[1] for level in _EMAIL_LEVELS)]
    random = [1.0, *(level[2] for level in _EMAIL_LEVELS), *(level[3] for level in _EMAIL_LEVELS)]
    groups = [0, *([1] * count), *([2] * count)]
    return Factor(
        "e-mail",
        sql,
        tuple(levels),
        tuple(groups),
        tuple(match),
        tuple(random),
        agreeing={"email": "same"},
        counted={2: _same_local("> 1"), 3: _same_local("<= 1")},
        namesakes=2 if names else None,
    )


def _same_local(residue: str) -> str:
    """Pairs of different addresses with one part before the @; too rare among pairs drawn at random."""
    pairs = (
        "SELECT sum(n * (n - 1) / 2) FROM (SELECT count(*)::DOUBLE AS n FROM prepared WHERE LENGTH(residue) {0} GROUP BY {1} HAVING n > 1)"
    )
    return f"SELECT ({pairs.format(residue, 'local')}) - coalesce(({pairs.format(residue, 'email')}), 0)"


_PHONE = _simple(
    "phone",
    f"CASE WHEN {_missing('phone')} THEN 0 WHEN l.phone = r.phone THEN 1 WHEN {_one_off('phone')} THEN 2 "
    f"WHEN ends_with(l.phone, r.phone) OR ends_with(r.phone, l.phone) THEN 2 ELSE 3 END",
    (("same", 0.7, 1e-6), ("one digit off", 0.04, 1e-6), ("different", 0.26, 1.0)),
    agreeing="phone",
)
_GENDER = _simple(
    "gender",
    f"CASE WHEN {_missing('gender')} THEN 0 WHEN l.gender = r.gender THEN 1 ELSE 2 END",
    (("same", 0.97, 0.5), ("different", 0.03, 0.5)),
    Household.RANDOM,
)
_MIDDLE = _simple(
    "middle name",
    f"CASE WHEN {_missing('middle')} THEN 0 WHEN l.middle = r.middle THEN CASE WHEN LENGTH(l.middle) > 1 THEN 1 ELSE 2 END "
    f"WHEN starts_with(l.middle, r.middle) OR starts_with(r.middle, l.middle) THEN 2 ELSE 3 END",
    (("same", 0.5, 0.02), ("same initial", 0.42, 0.06), ("different", 0.08, 0.92)),
    Household.RANDOM,
)
_SOURCE = _simple("source", "CASE WHEN l.source = r.source THEN 1 ELSE 2 END", (("same", 0.4, 0.4), ("different", 0.6, 0.6)))


def _identifier(column: str) -> Factor:
    return _simple(
        column,
        f"CASE WHEN {_missing(column)} THEN 0 WHEN l.{column} = r.{column} THEN 1 WHEN {_one_off(column)} THEN 2 ELSE 3 END",
        (("same", 0.85, 1e-7), ("one character off", 0.07, 1e-6), ("different", 0.08, 1.0)),
        Household.RANDOM,
        0.002,
        0.05,
        column,
    )


def _text(name: str, column: str, share: str) -> Factor:
    same = f"CASE WHEN l.{share} < -3.5 THEN 1 WHEN l.{share} < -2 THEN 2 ELSE 3 END"
    return _simple(
        name,
        f"CASE WHEN {_missing(column)} THEN 0 WHEN l.{column} = r.{column} THEN {same} "
        f"WHEN jaro_winkler_similarity(l.{column}, r.{column}) >= 0.9 THEN 4 ELSE 5 END",
        (
            ("same (rare)", 0.2, 1e-3),
            ("same", 0.2, 1e-2),
            ("same (common)", 0.2, 5e-2),
            ("close", 0.1, 1e-2),
            ("different", 0.3, 0.93),
        ),
    )
