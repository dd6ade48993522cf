"""Normal forms taken apart into the columns that are blocked on and compared. Everything is SQL per row; nothing throws.

given, given1, family, middle     letters only, no accents; given1 is the first of several given names
dob                               eight digits, year first; whether 3/4 is March or April follows from each source's own data
email, local, domain, residue     residue: what the part before the @ says beyond the name ("82" of john.smith82)
phone                             digits
street, house                     "main st" and "12"; postcode, city
org                               an organisation's name without its legal form, words in order of the alphabet
gender                            one letter; id_<i> and text_<i>: one for each field of the kind
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import duckdb

from identity.probabilistic.kinds import Field, Kind

TABLE = "prepared"

_TITLES = r"^\s*(mr|mrs|ms|miss|mx|dr|prof|sir|herr|frau|madame|monsieur|mme)\b\.?\s*|,?\s+(jr|sr|ii|iii|iv|phd|md|esq)\.?\s*$"
_STREET_WORDS = {
    "street": "st", "strasse": "st", "avenue": "av", "road": "rd", "drive": "dr", "lane": "ln", "boulevard": "bd", "court": "ct",
    "place": "pl",
}  # fmt: skip
_LEGAL_FORMS = "inc|incorporated|llc|llp|ltd|limited|plc|corp|corporation|co|company|gmbh|ag|kg|sa|srl|bv|nv|oy|ab|as|the|and|of"

Columns = Mapping[str, str]


def normal_form(kind: Kind, own: str = "") -> str:
    """The normal form (identity.normalise) in which an attribute of a kind is read; `own` is the attribute's, if it has one."""
    stems = {Kind.EMAIL: "email", Kind.PHONE: "phone", Kind.POSTCODE: "postcode"}
    if kind in stems:
        return own if own.startswith(stems[kind]) else stems[kind]
    return own if kind is Kind.BIRTH_DATE and own.startswith("date(") else "exact" if kind is Kind.BIRTH_DATE else "lower"


def prepare(
    con: duckdb.DuckDBPyConnection, record: str, fields: Sequence[tuple[Field, str]], month_first: Sequence[int] | None = None
) -> tuple[str, ...]:
    """CREATE TABLE prepared from `record` (rec, source, and a column for each field, named beside it). Returns its further columns.

    `month_first` are the sources whose dates have the month first (default: what `sources_month_first` finds).
    """
    raw = _by_kind(fields)
    columns = {
        **_names(raw),
        **_birth(raw, sources_month_first(con, record, fields) if month_first is None else month_first),
        **_contact(raw),
        **_place(raw),
        **_others(fields),
    }
    forms = ", ".join(f"{sql} AS {name}" for name, sql in columns.items())
    rows = f"SELECT rec, source, {forms} FROM (SELECT *, {_parts(raw)} FROM {record})"
    if "email" in columns:
        parts = "SPLIT_PART(SPLIT_PART(email, '@', 1), '+', 1) AS local, SPLIT_PART(email, '@', 2) AS domain"
        rows = f"SELECT *, {_residue(columns)} AS residue FROM (SELECT *, {parts} FROM ({rows}))"
        columns |= {"local": "", "domain": "", "residue": ""}
    con.execute(f"CREATE OR REPLACE TABLE {TABLE} AS {rows}")
    return tuple(columns)


def _by_kind(fields: Sequence[tuple[Field, str]]) -> dict[Kind, str]:
    """One expression per kind: the first value that is there, of several attributes."""
    found: dict[Kind, list[str]] = {}
    for field, column in fields:
        found.setdefault(field.kind, []).append(column)
    return {kind: columns[0] if len(columns) == 1 else f"COALESCE({', '.join(columns)})" for kind, columns in found.items()}


def _parts(raw: Mapping[Kind, str]) -> str:
    """Whole names cut into words, once per row; "Smith, John" is turned round."""
    full = raw.get(Kind.FULL)
    if full is None:
        return "1 AS one"
    plain = f"REGEXP_REPLACE(STRIP_ACCENTS({full}), '{_TITLES}', '', 'g')"
    turned = rf"REGEXP_REPLACE({plain}, '^\s*([^,]+?)\s*,\s*(.+)$', '\2 \1')"
    return rf"REGEXP_EXTRACT_ALL({turned}, '[\p{{L}}''’-]+') AS words"


def letters(value: str) -> str:
    """Letters only, without accents. Most values are plain letters already, which is quickly seen."""
    cleaned = rf"NULLIF(REGEXP_REPLACE(STRIP_ACCENTS({value}), '[^\p{{L}}]+', '', 'g'), '')"
    return f"CASE WHEN REGEXP_FULL_MATCH({value}, '[a-z]+') THEN {value} ELSE {cleaned} END"


def _names(raw: Mapping[Kind, str]) -> dict[str, str]:
    given, family, middle = raw.get(Kind.GIVEN), raw.get(Kind.FAMILY), raw.get(Kind.MIDDLE)
    if Kind.FULL in raw:
        given = f"COALESCE({given or 'NULL'}, CASE WHEN len(words) > 1 THEN words[1] END)"
        family = f"COALESCE({family or 'NULL'}, words[-1])"
        middle = f"COALESCE({middle or 'NULL'}, CASE WHEN len(words) > 2 THEN words[2] END)"
    columns = {}
    if given:
        columns["given"] = letters(given)
        first = rf"NULLIF(REGEXP_EXTRACT(STRIP_ACCENTS({given}), '\p{{L}}+'), '')"
        columns["given1"] = f"CASE WHEN REGEXP_FULL_MATCH({given}, '[a-z]+') THEN {given} ELSE {first} END"
    if family:
        columns["family"] = letters(family)
    if middle:
        columns["middle"] = letters(middle)
    if Kind.ORGANISATION in raw:
        plain = rf"REGEXP_REPLACE(STRIP_ACCENTS({raw[Kind.ORGANISATION]}), '\b({_LEGAL_FORMS})\b|[''’.]', '', 'g')"
        words = rf"REGEXP_EXTRACT_ALL({plain}, '[\p{{L}}0-9]+')"
        columns["org"] = f"NULLIF(ARRAY_TO_STRING(LIST_SORT({words}), ' '), '')"
    return columns


def _birth(raw: Mapping[Kind, str], month_first: Sequence[int]) -> dict[str, str]:
    if Kind.BIRTH_DATE in raw:
        return {"dob": _date(raw[Kind.BIRTH_DATE], month_first)}
    if Kind.BIRTH_YEAR in raw:
        parts = [(raw.get(kind, "NULL"), width) for kind, width in ((Kind.BIRTH_YEAR, 4), (Kind.BIRTH_MONTH, 2), (Kind.BIRTH_DAY, 2))]
        digits = [rf"COALESCE(LPAD(REGEXP_EXTRACT({value}, '\d+'), {width}, '0'), '{'0' * width}')" for value, width in parts]
        return {"dob": f"NULLIF(CONCAT({', '.join(digits)}), '00000000')"}
    return {}


_DAY_MONTH_YEAR = r"REGEXP_EXTRACT({0}, '^\s*(\d{{1,2}})\D(\d{{1,2}})\D(\d{{4}})', ['a', 'b', 'y'])"


def sources_month_first(con: duckdb.DuckDBPyConnection, record: str, fields: Sequence[tuple[Field, str]]) -> tuple[int, ...]:
    """The sources whose own dates tell that they write the month first (a 13 is no month)."""
    value = _by_kind(fields).get(Kind.BIRTH_DATE)
    if value is None:
        return ()
    dates = f"SELECT source, {_DAY_MONTH_YEAR.format(value)} AS d FROM {record} WHERE {value} IS NOT NULL"
    counted = con.execute(
        f"SELECT source, count(*) FILTER (TRY_CAST(d.a AS INT) > 12), count(*) FILTER (TRY_CAST(d.b AS INT) > 12) "
        f"FROM ({dates}) WHERE d.y <> '' GROUP BY source"
    ).fetchall()
    return tuple(sorted(source for source, first, second in counted if second > first))


def _date(value: str, month_first: Sequence[int]) -> str:
    """Year first where four digits say so; else by what the source's own dates allow."""
    parts = _DAY_MONTH_YEAR.format(value)
    swap = f"source IN ({', '.join(str(int(s)) for s in month_first)})" if month_first else "false"
    iso = rf"REGEXP_EXTRACT({value}, '^\s*(\d{{4}})\D?(\d{{1,2}})\D?(\d{{1,2}})', ['y', 'a', 'b'])"
    pad = "LPAD({0}, 2, '0')".format
    first, second = pad(f"({parts}).a"), pad(f"({parts}).b")
    ordered = f"CASE WHEN {swap} THEN {first} || {second} ELSE {second} || {first} END"
    local = f"CASE WHEN ({parts}).y <> '' THEN ({parts}).y || {ordered} END"
    year = rf"RPAD(NULLIF(REGEXP_EXTRACT({value}, '^\s*(1[89]\d\d|20\d\d)\s*$', 1), ''), 8, '0')"
    spelled = f"CASE WHEN ({iso}).y <> '' THEN ({iso}).y || {pad(f'({iso}).a')} || {pad(f'({iso}).b')} ELSE COALESCE({local}, {year}) END"
    return rf"CASE WHEN REGEXP_FULL_MATCH({value}, '\d{{4}}-\d\d-\d\d') THEN REPLACE({value}, '-', '') ELSE {spelled} END"


def _contact(raw: Mapping[Kind, str]) -> dict[str, str]:
    columns = {}
    if Kind.EMAIL in raw:
        columns["email"] = raw[Kind.EMAIL]
    if Kind.PHONE in raw:
        columns["phone"] = raw[Kind.PHONE]
    if Kind.GENDER in raw:
        columns["gender"] = f"NULLIF(REGEXP_EXTRACT({raw[Kind.GENDER]}, '[a-z0-9]'), '')"
    return columns


def _residue(columns: Columns) -> str:
    """What the part of an e-mail address before the @ says beyond the name: its digits, and its letters unless they are the name's.

    Letters are the name's if they are close to it as people write it in addresses (jsmith, john.smith, smithj), typing mistakes
    in either included.
    """
    letters = "REGEXP_REPLACE(local, '[^a-z]+', '', 'g')"
    known = [name for name in ("given1", "family") if name in columns]
    spelled = [f"coalesce({name}, '')" for name in known]
    if len(known) == 2:
        first, last = spelled
        spelled += [f"{first} || {last}", f"{last} || {first}", f"left({first}, 1) || {last}", f"{last} || left({first}, 1)"]
    similar = " OR ".join(f"jaro_winkler_similarity({letters}, {name}) >= 0.85" for name in spelled)
    # most addresses hold a name as it is, which is quickly seen
    held = " OR ".join(f"(LENGTH({name}) > 2 AND contains(local, {name}))" for name in known)
    own = f"CASE WHEN {held} THEN '' WHEN LENGTH({letters}) < 3 OR {similar} THEN '' ELSE {letters} END" if spelled else letters
    return f"REGEXP_EXTRACT(local, '[0-9]+') || {own}"


def _place(raw: Mapping[Kind, str]) -> dict[str, str]:
    columns = {}
    if Kind.STREET in raw:
        street, house = f"STRIP_ACCENTS({raw[Kind.STREET]})", raw.get(Kind.HOUSE_NUMBER, "NULL")
        words = street
        for word, short in _STREET_WORDS.items():
            words = f"REPLACE({words}, ' {word}', ' {short}')"
        columns["street"] = rf"NULLIF(REGEXP_REPLACE({words}, '^\s*\d+\s*[a-z]?\b|[^\p{{L}}0-9]+', '', 'g'), '')"
        columns["house"] = rf"COALESCE(NULLIF(REGEXP_EXTRACT({house}, '\d+'), ''), NULLIF(REGEXP_EXTRACT({street}, '\d+'), ''))"
    if Kind.POSTCODE in raw:
        columns["postcode"] = raw[Kind.POSTCODE]
    if Kind.CITY in raw:
        columns["city"] = letters(raw[Kind.CITY])
    return columns


def _others(fields: Sequence[tuple[Field, str]]) -> dict[str, str]:
    """Every identifier and every other text is compared by itself."""
    columns = {}
    for kind, stem in ((Kind.IDENTIFIER, "id"), (Kind.TEXT, "text")):
        for i, column in enumerate(column for field, column in fields if field.kind is kind):
            columns[f"{stem}_{i}"] = f"NULLIF(REGEXP_REPLACE(STRIP_ACCENTS({column}), '[^\\p{{L}}0-9]+', '', 'g'), '')"
    return columns
