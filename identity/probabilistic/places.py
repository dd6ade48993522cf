"""The place as a factor: street and locality together, because who moves changes both at once."""

from __future__ import annotations

from identity.probabilistic.factors import Factor, Joint, missing, one_off

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
    sql = f"({_street_sql(have) if 'street' in have else '0'}) * {len(_LOCALITY)} + ({_locality_sql(have)})"
    names, groups, match, random = [], [], [], []
    for s, (street, sm, su) in enumerate(_STREET):
        for k, (locality, km, ku) in enumerate(_LOCALITY):
            names.append(f"{street}, locality {locality}")
            groups.append((2 if s else 0) + (1 if k else 0))
            match.append(sm * km)
            random.append(su * ku)
    known = "postcode" if "postcode" in have else "city" if "city" in have else None
    bins = _PLACE_BIN.format("pp" if known == "postcode" else "cp")
    counted: dict[tuple[int, ...], str] = {}
    if "street" in have and "house" in have and known:
        unit = "unit, " if "unit" in have else ""
        places = (
            f"SELECT {known} AS v, count(*)::DOUBLE AS n FROM prepared WHERE house IS NOT NULL GROUP BY street, house, {unit}v HAVING n > 1"
        )
        shared = f"SELECT {bins} AS bin, place.n AS n FROM ({places}) AS place JOIN share_{known} ON value = v"
        first = len(_LOCALITY)
        counted = {(first + 1, first + 2, first + 3): f"SELECT {first} + bin, sum(n * (n - 1) / 2) FROM ({shared}) GROUP BY bin"}
    joint = Joint(len(_STREET), len(_LOCALITY), None, (known, bins) if known else None, counted, (1, 3))
    return Factor("place", ("street", "postcode", "city"), sql, tuple(names), tuple(groups), tuple(match), tuple(random), joint=joint)


_PLACE_BIN = "CASE WHEN {0} < -3.5 THEN 1 WHEN {0} < -2 THEN 2 ELSE 3 END"


def _street_sql(have: set[str]) -> str:
    close = "jaro_winkler_similarity(l.street, r.street)"
    # two flats are two dwellings; of a house with flats one without a number may be any
    same_house = "CASE WHEN l.unit <> r.unit THEN 3 WHEN l.unit IS NOT DISTINCT FROM r.unit THEN 1 ELSE 2 END" if "unit" in have else "1"
    return (
        f"CASE WHEN {missing('street')} THEN 0 WHEN l.street = r.street THEN "
        f"CASE WHEN l.house = r.house THEN {same_house} WHEN {missing('house')} THEN 2 ELSE 3 END "
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
            f"WHEN l.postcode <> r.postcode THEN CASE WHEN l.city = r.city OR {one_off('postcode')} THEN 4 ELSE 5 END "
            f"WHEN {missing('city')} THEN 0 WHEN l.city = r.city THEN {bins('cp')} WHEN {city_close} THEN 4 ELSE 5 END"
        )
    if "postcode" in have:
        same = f"WHEN l.postcode = r.postcode THEN {bins('pp')} WHEN {one_off('postcode')} THEN 4"
        return f"CASE WHEN {missing('postcode')} THEN 0 {same} ELSE 5 END"
    if "city" in have:
        return f"CASE WHEN {missing('city')} THEN 0 WHEN l.city = r.city THEN {bins('cp')} WHEN {city_close} THEN 4 ELSE 5 END"
    return "0"
