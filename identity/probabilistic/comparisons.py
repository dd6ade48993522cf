"""What is compared of two records, given the columns that there are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from identity.probabilistic.contacts import email_factor, phone_factor
from identity.probabilistic.factors import Factor, Household, missing, one_off, simple
from identity.probabilistic.names import name_factor
from identity.probabilistic.places import place_factor
from identity.probabilistic.several import values_of


def factors_for(columns: Sequence[str], sources: int) -> tuple[Factor, ...]:
    """The factors that a table with `columns` allows; whether two records are of one source counts where there are several."""
    have = set(columns)
    found: list[Factor] = []
    if "given" in have or "family" in have:
        found.append(name_factor("given" in have, "family" in have))
    if "generation" in have:
        found.append(_GENERATION)
    if "middle" in have:
        found.append(_MIDDLE)
    if "dob" in have:
        found.append(_BIRTH)
    if "age" in have:
        found.append(_age("dob" in have))
    if "email" in have:
        found.append(email_factor({"given", "family"} <= have, len(values_of("email", have))))
    if "phone" in have:
        found.append(phone_factor(len(values_of("phone", have))))
    if have & {"street", "postcode", "city"}:
        found.append(place_factor(have))
    if "gender" in have:
        found.append(_GENDER)
    if "org" in have:
        # people of one employer are like a household; of two organisations in one house the names differ as by chance
        found.append(_organisation(Household.FREE if have & {"given", "family"} else Household.RANDOM))
    found += [_identifier(c) for c in columns if c.startswith("id_")]
    found += [_text(c, c, f"{c}p") for c in columns if c.startswith("text_") and not c.endswith("p")]
    if sources > 1:
        found.append(_SOURCE)
    return tuple(found)


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
        f"CASE WHEN {missing('dob')} THEN 0 WHEN l.dob = r.dob THEN CASE WHEN ends_with(l.dob, '0000') THEN 5 ELSE 1 END "
        f"WHEN {same['year']}::INT + {same['month']}::INT + {same['day']}::INT >= 2 THEN CASE WHEN {one_off('dob')} THEN 3 ELSE 4 END "
        f"WHEN {same['year']} THEN CASE WHEN {swapped} THEN 2 ELSE 5 END "
        f"WHEN {apart} <= 62 THEN 5 WHEN {apart} <= 500 THEN 6 ELSE 7 END"
    )


OTHER_DATE = 0.2
"""So many matches, at most, have birth dates that are not alike at all, as with given names: else they would be a household."""
_BIRTH = replace(
    simple(
        "birth date",
        "dob",
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
    ),
    most_apart=OTHER_DATE,
)


def _age(born: bool) -> Factor:
    """Where both are `born` on a known day, their ages say nothing new."""
    known = " OR l.dob IS NOT NULL AND r.dob IS NOT NULL" if born else ""
    return simple(
        "age",
        "age",
        f"CASE WHEN {missing('age')}{known} THEN 0 "
        "WHEN l.age = r.age THEN 1 WHEN abs(l.age - r.age) <= 1 THEN 2 WHEN abs(l.age - r.age) <= 2 THEN 3 "
        "WHEN abs(l.age - r.age) <= 5 THEN 4 WHEN abs(l.age - r.age) <= 11 THEN 5 ELSE 6 END",
        (
            ("same", 0.5, 0.015),
            ("one year apart", 0.2, 0.03),
            ("two years apart", 0.08, 0.03),
            ("up to five years apart", 0.09, 0.08),
            ("up to eleven years apart", 0.08, 0.14),
            ("different", 0.05, 0.7),
        ),
        Household.RANDOM,
        0.03,
        0.1,
    )


_GENDER = simple(
    "gender",
    "gender",
    f"CASE WHEN {missing('gender')} THEN 0 WHEN l.gender = r.gender THEN 1 ELSE 2 END",
    (("same", 0.97, 0.5), ("different", 0.03, 0.5)),
    Household.RANDOM,
)
_GENERATION = simple(
    "generation",
    "generation",
    f"CASE WHEN {missing('generation')} THEN 0 WHEN l.generation = r.generation THEN 1 ELSE 2 END",
    (("same", 0.995, 0.5), ("different", 0.005, 0.5)),
    Household.RANDOM,
)
_MIDDLE = simple(
    "middle name",
    "middle",
    f"CASE WHEN {missing('middle')} THEN 0 WHEN l.middle = r.middle THEN CASE WHEN LENGTH(l.middle) > 1 THEN 1 ELSE 2 END "
    f"WHEN starts_with(l.middle, r.middle) OR starts_with(r.middle, l.middle) THEN 2 ELSE 3 END",
    (("same", 0.5, 0.02), ("same initial", 0.42, 0.06), ("different", 0.08, 0.92)),
    Household.RANDOM,
)
_SOURCE = simple("source", "source", "CASE WHEN l.source = r.source THEN 1 ELSE 2 END", (("same", 0.4, 0.4), ("different", 0.6, 0.6)))


def _identifier(column: str) -> Factor:
    found = simple(
        column,
        column,
        f"CASE WHEN {missing(column)} THEN 0 WHEN l.{column} = r.{column} THEN 1 WHEN {one_off(column)} THEN 2 ELSE 3 END",
        (("same", 0.85, 1e-7), ("one character off", 0.07, 1e-6), ("different", 0.08, 1.0)),
        Household.RANDOM,
        0.002,
        0.05,
        column,
    )
    return replace(found, own=(1,))


def _organisation(household: Household) -> Factor:
    """Names of organisations: spelled alike, or made of the same words."""
    left, right = (f"string_split({side}.org, ' ')" for side in "lr")
    shared = f"len(list_intersect({left}, {right})) / least(len({left}), len({right}))"
    return simple(
        "organisation",
        "org",
        f"CASE WHEN {missing('org')} THEN 0 "
        f"WHEN l.org = r.org THEN CASE WHEN l.op < -3 THEN 1 WHEN l.op < -2 THEN 2 ELSE 3 END "
        f"WHEN jaro_winkler_similarity(l.org, r.org) >= 0.94 THEN 4 "
        f"WHEN {shared} >= 0.99 THEN 5 WHEN {shared} >= 0.5 THEN 6 ELSE 7 END",
        (
            ("same (rare)", 0.3, 1e-4),
            ("same", 0.25, 1e-3),
            ("same (common)", 0.1, 5e-3),
            ("close", 0.1, 1e-3),
            ("all words of the shorter", 0.1, 5e-3),
            ("half of the words", 0.08, 3e-2),
            ("different", 0.07, 0.95),
        ),
        household,
    )


def _text(name: str, column: str, share: str, household: Household = Household.FREE) -> Factor:
    same = f"CASE WHEN l.{share} < -3.5 THEN 1 WHEN l.{share} < -2 THEN 2 ELSE 3 END"
    found = simple(
        name,
        column,
        f"CASE WHEN {missing(column)} THEN 0 WHEN l.{column} = r.{column} THEN {same} "
        f"WHEN jaro_winkler_similarity(l.{column}, r.{column}) >= 0.9 THEN 4 ELSE 5 END",
        (
            ("same (rare)", 0.2, 1e-3),
            ("same", 0.2, 1e-2),
            ("same (common)", 0.2, 5e-2),
            ("close", 0.1, 1e-2),
            ("different", 0.3, 0.93),
        ),
        household,
    )
    return replace(found, unknown=True)
