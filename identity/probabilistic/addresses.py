"""Streets as they are compared, and whole addresses in one column ("12 Main St, Apt 4, Springfield, IL 62701").

A street is SQL per row. A whole address is taken apart in SQL once per distinct value, from its end. Only what looks like more than a
street is looked at; what cannot be told from the writing alone (27 Washington Oak Park IL 60302: where does the street end?) stays in the
street.
"""

from __future__ import annotations

from collections.abc import Sequence

import duckdb

from identity.probabilistic.alphabet import LETTER

# Words for streets, shortened by what they begin with; points of the compass; Hauptstraße and Hauptstr.
_SHORTENED = (
    r" (?:(st|av|pl|sq|ter|dr|cr)(?:reet|ra(?:ss|ß)e|raat|r|enue|enida|da|e|ace|atz|aza|uare|race|ive|es|escent)"
    r"|([nsew])(?:orth|outh|ast|est)|(r)oa(d)|(l)a(n)e|(b)(?:oulevar|lv|v)(d))\b|(str)a(?:sse|ße|at)\b"
)
_LETTER = r"(?:[a-z]|\s[a-df-mo-rt-vx-z])?"  # 12 b, but not 12 n main st
_HOUSE = rf"\d+{_LETTER}(?:\s*[-–/]\s*\d+{_LETTER})?"

TABLE = "address"

UNIT = (
    r"(?:\b\d+(?:st|nd|rd|th)\s+fl(?:oo)?r\b"
    r"|\b(?:apt|apartment|appt|app|flat|unit|suite|ste|room|rm|floor|flr|bldg|building|blk|block|lot|whg|wohnung)"
    r"\b\.?\s*#?\s*(\d+\s?[a-z]?|[a-z]\d*)\b|#\s*([\w-]+))"
)
"""What stands for a part of a house; its number is the first or the second group."""

_BOX = r"\b(?:p\.?\s*o\.?\s*box|post (?:office )?box|postfach|b\.?\s?p\.|casilla|apartado|skr\. pocztowa)\s*\D{0,5}(\d[\d ]*)"
_STATE = (
    "a[klrz]|c[aot]|d[ec]|fl|ga|hi|i[adln]|k[sy]|la|m[adeinost]|n[cdehjmvy]|o[hkr]|pa|ri|s[cd]|t[nx]|ut|v[ait]|w[aivy]"
    "|ab|bc|mb|nb|nl|ns|nt|nu|on|pe|qc|sk|yt|nsw|vic|qld|tas|act"
)
_COUNTRY = (
    "usa|u\\.s\\.a\\.|united states(?: of america)?|canada|mexico|brazil|brasil|uk|u\\.k\\.|united kingdom|great britain|england"
    "|scotland|wales|ireland|australia|new zealand|india|germany|deutschland|austria|osterreich|switzerland|schweiz|suisse|france|spain"
    "|espana|portugal|italy|italia|netherlands|nederland|belgium|belgique|belgie|denmark|danmark|sweden|sverige|norway|norge|finland|poland"
    "|polska"
)
# at the end, after the locality: US ZIP, UK, Canada, Singapore and India
_CODE_LAST = r"\d{5}(?:-\d{4})?|[a-z]{1,2}\d[a-z\d]?\s?\d[a-z]{2}|[a-z]\d[a-z][\s-]?\d[a-z]\d|\d{6}|\d{3}\s\d{3}"
# before the locality: most of Europe, with a country's letter or not; Netherlands, Sweden, Poland, Portugal
_CODE_FIRST = r"\d{4}\s?[a-z]{2}|\d{4,6}|\d{3}\s\d{2}|\d{2}-\d{3}|\d{4}-\d{3}"
_STREET = (
    "st|str|street|ave?|avenue|rd|road|dr|drive|ln|lane|blvd|boulevard|ct|court|pl|place|way|sq|square|ter|terrace|cir|circle|cres|crescent"
    "|close|hwy|highway|pkwy|parkway|trl|trail|gardens|gdns|row|alley|walk|mews|strasse|weg|platz|straat|rue"
)
_CITY = rf"[{LETTER}][{LETTER} .''’/-]*"
_ODD = rf"[,;\n]|\d\D*[a-z]{{2}}[\s,]+\d{{5}}|[\s,](?:{_CODE_FIRST})\s+[{LETTER}]|\s\d{{5}}$|\d[a-z]{{2}}$"


def with_streets(record: str, line: str, whole: str, own_number: bool) -> str:
    """A FROM clause with `record` and street_text: `line` without flats, which `whole` may have, words for streets shortened;
    and street_bare, the same without the number of the house."""
    spelt = f"' ' || STRIP_ACCENTS({line})"
    cleared = rf"REGEXP_REPLACE(REGEXP_REPLACE({spelt}, '{_BOX}', '\1 pobox'), '{UNIT}', ' ', 'g')"
    odd = f"(SELECT *, REGEXP_MATCHES({whole}, '{UNIT}|{_BOX}') AS street_odd FROM {record})"
    text = f"(SELECT *, CASE WHEN street_odd THEN {cleared} ELSE {spelt} END AS street_spelt FROM {odd})"
    short = rf"REGEXP_REPLACE(street_spelt, '{_SHORTENED}', ' \1\2\3\4\5\6\7\8\9', 'g')"
    return f"(SELECT *, {_without_house('street_text', own_number)} AS street_bare FROM (SELECT *, {short} AS street_text FROM {text}))"


def _without_house(text: str, own_number: bool) -> str:
    """The street alone. Most begin with their number, which is quickly seen; else it may stand behind, unless houses are apart."""
    ahead = rf"REGEXP_REPLACE({text}, '^\s*{_HOUSE}\b', '')"
    if own_number:
        return ahead
    behind = rf"^(\D+)\s{_HOUSE}\s*$"
    last = rf"WHEN REGEXP_MATCHES({text}, '{behind}') THEN REGEXP_REPLACE({text}, '{behind}', '\1')"
    return f"CASE WHEN LTRIM({text})[1] BETWEEN '0' AND '9' THEN {ahead} {last} ELSE {text} END"


def street_columns(whole: str, own_number: str | None) -> dict[str, str]:
    """The prepared columns of a street, `with_streets`; `own_number` if houses are apart.

    12 Main Street, Main St. 12 B, 12-14 Main St Apt 4 are one street and one house; a post office box is a house of its own street.
    """
    number = ", ".join(rf"NULLIF(REGEXP_EXTRACT({text}, '\d+'), '')" for text in (own_number, "street_text") if text)
    flat = f"COALESCE(NULLIF(REGEXP_EXTRACT({whole}, '{UNIT}', 1), ''), NULLIF(REGEXP_EXTRACT({whole}, '{UNIT}', 2), ''))"
    return {
        # mostly plain letters and spaces, which is quickly seen
        "street": r"NULLIF(CASE WHEN REGEXP_FULL_MATCH(street_bare, '[a-z0-9 ]*') THEN REPLACE(street_bare, ' ', '') "
        rf"ELSE REGEXP_REPLACE(street_bare, '[^{LETTER}0-9]+', '', 'g') END, '')",
        "house": f"COALESCE({number}, NULL)",
        "unit": f"CASE WHEN street_odd THEN {flat} END",
    }


def taken_apart(con: duckdb.DuckDBPyConnection, record: str, columns: Sequence[str]) -> str:
    """A FROM clause with `record` and for each of `columns` further ones: <column>_line, the street; <column>_city; <column>_postcode.

    >>> con = duckdb.connect()
    >>> _ = con.execute("CREATE TABLE r AS SELECT * FROM (VALUES (0, '12 main st, springfield, il 62701'), (1, '12 main st')) AS t(rec, a)")
    >>> con.execute(f"SELECT a_line, a_city, a_postcode FROM {taken_apart(con, 'r', ['a'])} ORDER BY rec").fetchall()
    [('12 main st', 'springfield', '62701'), ('12 main st', None, None)]
    """
    if not columns:
        return record
    con.execute(f"CREATE OR REPLACE TEMP TABLE odd AS {_odd_values(record, columns)}")
    if not con.execute("SELECT count(*) FROM odd").fetchall()[0][0]:  # to make ready for parsing costs as much as thousands of values
        plain = ", ".join(f"r.{c} AS {c}_line, NULL::VARCHAR AS {c}_city, NULL::VARCHAR AS {c}_postcode" for c in columns)
        return f"(SELECT r.*, {plain} FROM {record} AS r)"
    con.execute(f"CREATE OR REPLACE TABLE {TABLE} AS {_parsed('FROM odd')}")
    con.execute("DROP TABLE odd")
    kept = ", ".join(
        f"CASE WHEN {TABLE}_{c}.value IS NULL THEN r.{c} ELSE {TABLE}_{c}.line END AS {c}_line, {TABLE}_{c}.city AS {c}_city, "
        f"{TABLE}_{c}.postcode AS {c}_postcode"
        for c in columns
    )
    joins = " ".join(f"LEFT JOIN {TABLE} AS {TABLE}_{c} ON {TABLE}_{c}.value = r.{c}" for c in columns)
    return f"(SELECT r.*, {kept} FROM {record} AS r {joins})"


def _odd_values(record: str, columns: Sequence[str]) -> str:
    return " UNION ".join(f"SELECT DISTINCT {c} AS value FROM {record} WHERE REGEXP_MATCHES({c}, '{_ODD}')" for c in columns)


def _parsed(values: str) -> str:
    """From the end: country, then code and locality, then what is left of the locality; of the rest the part that has the house."""
    housed = _cut("head", rf"(?:^|,)\s*(\d[^,]*[{LETTER}]{{2}}[^,]*|[^,]*[{LETTER}]{{2}}[^,]*\s\d[^,]*)(?:,|$)")
    named = _cut("head", rf"(?:^|,)\s*([^,]*\b(?:{_STREET})\b[^,]*)(?:,|$)")
    first = _some("SPLIT_PART(head, ',', 1)")
    code = r"REGEXP_REPLACE(REGEXP_REPLACE(code, '^(\d{5})-\d{4}$', '\1'), '[^a-z0-9]', '', 'g')"
    localities = _localities(_ends(_joined(values)))
    return f"SELECT value, COALESCE({housed}, {named}, {first}) AS line, city, NULLIF(UPPER({code}), '') AS postcode FROM ({localities})"


def _joined(values: str) -> str:
    """(value, joined): without flats and country; the number of the house before or behind a comma belongs to the street."""
    tidy = rf"REGEXP_REPLACE(REGEXP_REPLACE(STRIP_ACCENTS(value), '\s*[;\n]\s*', ', ', 'g'), '{UNIT}', ' ', 'g')"
    whole = rf"TRIM(REGEXP_REPLACE(TRIM({tidy}, ' ,.'), '[,\s]+(?:{_COUNTRY})$', ''), ' ,.')"
    ahead = r"REGEXP_REPLACE(whole, '^(\d+\s?[a-z]?)\s*,\s*', '\1 ')"
    joined = rf"REGEXP_REPLACE({ahead}, '^([^,\d]+),\s*(?:(?:nr|no|num|bld|d)\b\.?\s*)?(\d{{1,4}}\s?[a-z]?)\s*(,|$)', '\1 \2\3')"
    return f"SELECT value, {joined} AS joined FROM (SELECT value, {whole} AS whole FROM ({values}))"


def _ends(joined: str) -> str:
    """(value, joined, f, is_first, ahead, last_code): a code before the locality with both (f), else what stands ahead of a code or state
    at the end, and that code."""
    code_first = rf"^(.*\d[^,]*?)[,\s]+(?:[a-z]{{1,2}}-)?({_CODE_FIRST})\s+({_CITY})$"
    code_last = rf"^(.+?)[,\s]+(?:(?:{_STATE})\.?[,\s]+)?({_CODE_LAST})$|^(.+?)[,\s]+(?:{_STATE})\.?(?:[,\s]+(\d{{4}}))?$"
    # each pattern is matched once: most of the time goes into that
    found = (
        f"SELECT value, joined, {_groups('joined', code_first, 'line', 'code', 'city')} AS f, "
        f"{_groups('joined', code_last, 'line', 'code', 'stated', 'short')} AS l "
        f"FROM ({joined})"
    )
    is_first = rf"f.line <> '' AND NOT REGEXP_MATCHES(f.city, '\b(?:{_STREET})\b')"
    return (
        f"SELECT value, joined, f, {is_first} AS is_first, COALESCE({_some('l.line')}, {_some('l.stated')}) AS ahead, "
        f"COALESCE({_some('l.code')}, {_some('l.short')}) AS last_code FROM ({found})"
    )


def _localities(ends: str) -> str:
    """(value, head, city, code): the locality behind a comma or behind the street's word."""
    by_comma, by_street = rf"^(.+),\s*({_CITY})$", rf"^(.*\d.*\b(?:{_STREET})\b\.?)[,\s]+({_CITY})$"
    rest = "COALESCE(ahead, joined)"
    # where a code or state stood behind it, a name alone is a locality, and one after the street's word is too
    bare = rf"ahead IS NOT NULL AND NOT REGEXP_MATCHES(ahead, '[\d,]|\b(?:{_STREET})\b')"
    split = (
        f"SELECT *, {bare} AS bare, CASE WHEN NOT is_first THEN {_groups(rest, by_comma, 'line', 'city')} END AS c, "
        f"CASE WHEN NOT is_first AND NOT contains(ahead, ',') THEN {_groups('ahead', by_street, 'line', 'city')} END AS s FROM ({ends})"
    )
    return (
        f"SELECT value, CASE WHEN is_first THEN {_some('f.line')} WHEN bare THEN NULL "
        f"ELSE COALESCE({_some('c.line')}, {_some('s.line')}, {rest}) END AS head, "
        f"CASE WHEN is_first THEN {_some('f.city')} WHEN bare THEN ahead ELSE COALESCE({_some('c.city')}, {_some('s.city')}) END AS city, "
        f"CASE WHEN is_first THEN f.code ELSE last_code END AS code FROM ({split})"
    )


def _cut(text: str, pattern: str) -> str:
    return _some(f"REGEXP_EXTRACT({text}, '{pattern}', 1)")


def _some(text: str) -> str:
    """Without what is around it; NULL for nothing."""
    return f"NULLIF(TRIM({text}, ' ,.'), '')"


def _groups(text: str, pattern: str, *names: str) -> str:
    """A pattern's groups, as a struct."""
    return f"REGEXP_EXTRACT({text}, '{pattern}', [{str(list(names))[1:-1]}])"
