"""Normal forms taken apart into the columns that are blocked on and compared. Everything is SQL per row; nothing throws.

given, given1, family, middle     letters only, no accents; given1 is the first of several given names, family has no particles
double_name                       the words of a family name of several, between spaces; what follows the given name in a whole name
dob                               eight digits, year first; whether 3/4 is March or April follows from each source's own data
age                               in years; compared where a birth date is missing
email, local, domain, residue     email: the mailbox (no tag, none of Gmail's dots); local: the part before the @ as written, but for the
                                  tag; residue: what that says beyond the name ("82" of john.smith82)
phone                             digits, without what is dialled before a national number
email_2, local_2 …, phone_2 …     further values, where there are several attributes of the kind (identity.probabilistic.several)
street, house, unit               "main st", "12" and the flat's "4b"; postcode, city
org                               an organisation's name without its legal form, words in order of the alphabet
gender                            one letter; id_<i> and text_<i>: one for each field of the kind
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import duckdb
from sqlglot import exp

from identity.normalise import normalised
from identity.probabilistic.addresses import TABLE as ADDRESSES
from identity.probabilistic.addresses import street_columns, taken_apart, with_streets
from identity.probabilistic.alphabet import LETTER
from identity.probabilistic.dates import eight_digits, sources_month_first
from identity.probabilistic.kinds import Field, Kind
from identity.probabilistic.latin import in_latin
from identity.probabilistic.name_parts import comma_after_family, family_last, letters, name_columns, plain_letters, words
from identity.probabilistic.several import MADE_OF, NTH, distinct, named, values_of

TABLE = "prepared"

_LEGAL_FORMS = "inc|incorporated|llc|llp|ltd|limited|plc|corp|corporation|co|company|gmbh|ag|kg|sa|srl|bv|nv|oy|ab|as|the|and|of"

_OLDEST = 120
_OF_NAMES = (Kind.GIVEN, Kind.MIDDLE, Kind.FAMILY, Kind.FULL, Kind.FAMILY_FIRST)

Columns = Mapping[str, str]


def normal_form(kind: Kind, own: str = "") -> str:
    """The normal form (identity.normalise) in which an attribute of a kind is read; `own` is the attribute's, if it has one."""
    stems = {Kind.EMAIL: "email", Kind.PHONE: "phone", Kind.POSTCODE: "postcode"}
    if kind in stems:
        return own if own.startswith(stems[kind]) else stems[kind]
    if kind is Kind.BIRTH_DATE and own.startswith("date("):
        return own
    # capitals tell which of two names is the family's
    return "exact" if kind in (Kind.BIRTH_DATE, Kind.FULL, Kind.FAMILY_FIRST) else "lower"


def prepare(
    con: duckdb.DuckDBPyConnection, record: str, fields: Sequence[tuple[Field, str]], month_first: Sequence[int]
) -> tuple[str, ...]:
    """CREATE TABLE prepared from `record` (rec, source, and a column for each field, named beside it). Returns its further columns.

    `month_first` are the sources whose dates have the month first (see `months_first`).
    """
    rows, columns = prepared_rows(con, record, fields, month_first)
    con.execute(f"CREATE OR REPLACE TABLE {TABLE} AS {rows}")
    con.execute(f"DROP TABLE IF EXISTS {ADDRESSES}")
    return columns


def prepared_rows(
    con: duckdb.DuckDBPyConnection, record: str, fields: Sequence[tuple[Field, str]], month_first: Sequence[int]
) -> tuple[str, tuple[str, ...]]:
    """The query for what `prepare` writes, and the columns. What it reads beside `record` is in tables, until another is asked for."""
    raw = _by_kind(fields)
    addresses = [column for kind in (Kind.STREET, Kind.ADDRESS) for field, column in fields if field.kind is kind]
    columns = {**name_columns(raw), **_organisation(raw), **_birth(raw, month_first), **_contact(raw, fields), **_place(raw, addresses)}
    columns |= _others(fields)
    forms = ", ".join(f"{sql} AS {name}" for name, sql in columns.items())
    whole = [column for field, column in fields if field.kind is Kind.FULL]
    written = in_latin(con, record, [column for field, column in fields if field.kind in _OF_NAMES], whole)
    if addresses:
        lines = [f"{column}_line" for column in addresses]
        written = with_streets(taken_apart(con, written, addresses), _first(lines), _first(addresses), Kind.HOUSE_NUMBER in raw)
    rows = f"SELECT rec, source, {forms} FROM (SELECT *, {_parts(raw)} FROM {written})"
    if "email" in columns:
        emails = values_of("email", columns)
        rows = _mailboxes(rows, columns, len(emails))
        columns |= {f"{part}{nth}": "" for nth in NTH[: len(emails)] for part in ("local", "domain", "residue")}
    return rows, tuple(columns)


def months_first(con: duckdb.DuckDBPyConnection, record: str, fields: Sequence[tuple[Field, str]]) -> tuple[int, ...]:
    """The sources whose birth dates have the month first."""
    value = _by_kind(fields).get(Kind.BIRTH_DATE)
    return sources_month_first(con, record, value) if value else ()


def _by_kind(fields: Sequence[tuple[Field, str]]) -> dict[Kind, str]:
    """One expression per kind: the first value that is there, of several attributes (of e-mails and phones see `_contact`)."""
    found: dict[Kind, list[str]] = {}
    for field, column in fields:
        if field.kind is Kind.FAMILY_FIRST:
            found.setdefault(Kind.FULL, []).append(comma_after_family(column))
        else:
            found.setdefault(field.kind, []).append(column)
    whole = found.get(Kind.FULL, [])
    if len(whole) > 1:  # who is "Ann" in one and "Ann Smith" in another is Ann Smith
        found[Kind.FULL] = [*(rf"CASE WHEN regexp_matches({name}, '\S\s+\S') THEN {name} END" for name in whole), *whole]
    return {kind: _first(columns) for kind, columns in found.items()}


def _first(values: Sequence[str]) -> str:
    return values[0] if len(values) == 1 else f"COALESCE({', '.join(values)})"


def _given(raw: Mapping[Kind, str], kind: Kind) -> list[str]:
    return [raw[kind]] if kind in raw else []


def _parts(raw: Mapping[Kind, str]) -> str:
    """What is read of names once per row: whole ones cut into words, and whether the others are plain letters."""
    whole = [f"{words(raw[Kind.FULL])} AS spoken, {family_last('spoken')} AS words"] if Kind.FULL in raw else []
    return ", ".join([*whole, *plain_letters(raw), "1 AS one"])


def _organisation(raw: Mapping[Kind, str]) -> dict[str, str]:
    if Kind.ORGANISATION not in raw:
        return {}
    plain = rf"REGEXP_REPLACE(STRIP_ACCENTS({raw[Kind.ORGANISATION]}), '\b({_LEGAL_FORMS})\b|[''’.]', '', 'g')"
    parts = rf"REGEXP_EXTRACT_ALL({plain}, '[{LETTER}0-9]+')"
    return {"org": f"NULLIF(ARRAY_TO_STRING(LIST_SORT({parts}), ' '), '')"}


def _birth(raw: Mapping[Kind, str], month_first: Sequence[int]) -> dict[str, str]:
    columns, dates = {}, []
    if Kind.BIRTH_DATE in raw:
        dates.append(eight_digits(raw[Kind.BIRTH_DATE], month_first))
    if Kind.BIRTH_YEAR in raw:
        parts = [(raw.get(kind, "NULL"), width) for kind, width in ((Kind.BIRTH_YEAR, 4), (Kind.BIRTH_MONTH, 2), (Kind.BIRTH_DAY, 2))]
        digits = [rf"COALESCE(LPAD(REGEXP_EXTRACT({value}, '\d+'), {width}, '0'), '{'0' * width}')" for value, width in parts]
        dates.append(f"NULLIF(CONCAT({', '.join(digits)}), '00000000')")
    if dates:
        columns["dob"] = _first(dates)
    if Kind.AGE in raw:
        years = rf"TRY_CAST(REGEXP_EXTRACT({raw[Kind.AGE]}, '^\s*(\d{{1,3}})\b', 1) AS SMALLINT)"
        columns["age"] = f"CASE WHEN {years} BETWEEN 0 AND {_OLDEST} THEN {years} END"
    return columns


def _contact(raw: Mapping[Kind, str], fields: Sequence[tuple[Field, str]]) -> dict[str, str]:
    emails, phones = ([column for field, column in fields if field.kind is kind] for kind in (Kind.EMAIL, Kind.PHONE))
    columns = _several("email", emails) | _several("phone", [without_trunk(phone) for phone in phones])
    if Kind.GENDER in raw:
        columns["gender"] = f"NULLIF(REGEXP_EXTRACT({raw[Kind.GENDER]}, '[a-z0-9]'), '')"
    return columns


def _several(stem: str, values: Sequence[str]) -> dict[str, str]:
    """Each value that there is in a column of its own."""
    return dict(zip(named(stem, len(values)), values if len(values) == 1 else distinct(values), strict=False))


def _mailboxes(rows: str, columns: Columns, count: int) -> str:
    """`rows` with what is made of the e-mail addresses, each mailbox once."""
    parts, read, boxes, residues, once = [], [], [], [], []
    for i, (nth, email) in enumerate(zip(NTH, named("email", count), strict=False)):
        parts.append(f"SPLIT_PART(SPLIT_PART({email}, '@', 1), '+', 1) AS local{nth}, SPLIT_PART({email}, '@', 2) AS domain{nth}")
        read.append(f"REGEXP_EXTRACT(local{nth}, '[0-9]+') AS digits{nth}, {_letters_beyond(columns, f'local{nth}')} AS letters{nth}")
        boxes.append(f"{_mailbox(nth)} AS {email}")
        residues.append(f"{_residue(columns, nth)} AS residue{nth}")
        again = " OR ".join(f"{email} = {before}" for before in named("email", i))
        once += [f"CASE WHEN {again} THEN NULL ELSE {part}{nth} END AS {part}{nth}" for part in MADE_OF["email"] if i]
    passing = ", ".join(f"digits{nth}, letters{nth}" for nth in NTH[:count])
    rows = f"SELECT *, {', '.join(read)} FROM (SELECT *, {', '.join(parts)} FROM ({rows}))"
    rows = f"SELECT * EXCLUDE ({passing}) REPLACE ({', '.join(boxes)}), {', '.join(residues)} FROM ({rows})"
    return f"SELECT * REPLACE ({', '.join(once)}) FROM ({rows})" if once else rows


def _mailbox(nth: str) -> str:
    """One mailbox is one address, however it is tagged and dotted; most addresses are neither, which is quickly seen."""
    email, local, domain = f"email{nth}", f"local{nth}", f"domain{nth}"
    return (
        f"CASE WHEN contains({email}, '+') OR {domain} = 'googlemail.com' OR {domain} = 'gmail.com' AND contains({local}, '.') "
        f"THEN {normalised('email(drop_tags, provider)', exp.column(email)).sql('duckdb')} ELSE {email} END"
    )


def _letters_beyond(columns: Columns, local: str) -> str:
    """The letters of the part before the @, or nothing where they hold a name as it is: most do, which is quickly seen."""
    letters = f"REGEXP_REPLACE({local}, '[^a-z]+', '', 'g')"
    held = " ".join(f"WHEN LENGTH({name}) > 2 AND contains({local}, {name}) THEN ''" for name in _names(columns))
    return f"CASE {held} ELSE {letters} END" if held else letters


def _names(columns: Columns) -> list[str]:
    return [name for name in ("given1", "family") if name in columns]


def _residue(columns: Columns, nth: str) -> str:
    """What the part of an e-mail address before the @ says beyond name and birth date: its digits and letters, unless they are of these.

    Letters are the name's if they are close to it as people write it in addresses (jsmith, john.smith, smithj), typing mistakes
    in either included.
    """
    letters, digits = f"letters{nth}", f"digits{nth}"
    spelled = [f"coalesce({name}, '')" for name in _names(columns)]
    if len(spelled) == 2:
        first, last = spelled
        spelled += [f"{first} || {last}", f"{last} || {first}", f"left({first}, 1) || {last}", f"{last} || left({first}, 1)"]
    similar = " OR ".join(f"jaro_winkler_similarity({letters}, {name}) >= 0.85" for name in spelled)
    own = f"CASE WHEN LENGTH({letters}) < 3 OR {similar} THEN '' ELSE {letters} END" if spelled else letters
    if "dob" in columns:
        of_birth = "dob", "left(dob, 4)", "dob[3:4]", "dob[5:8]", "dob[7:8] || dob[5:6]"
        digits = f"CASE WHEN {digits} IN ({', '.join(of_birth)}) THEN '' ELSE {digits} END"
    return f"{digits} || {own}"


def _place(raw: Mapping[Kind, str], addresses: Sequence[str]) -> dict[str, str]:
    """`addresses` are columns of streets or whole addresses, which are taken apart already; their own city and postcode come last."""
    columns: dict[str, str] = {}
    if addresses:
        columns |= street_columns(_first(addresses), raw.get(Kind.HOUSE_NUMBER))
    whole = Kind.ADDRESS in raw
    if Kind.POSTCODE in raw or whole:
        columns["postcode"] = _first([*_given(raw, Kind.POSTCODE), *(f"{column}_postcode" for column in addresses)])
    if Kind.CITY in raw or whole:
        columns["city"] = letters(_first([*_given(raw, Kind.CITY), *(f"{column}_city" for column in addresses)]))
    return columns


def _others(fields: Sequence[tuple[Field, str]]) -> dict[str, str]:
    """Every identifier and every other text is compared by itself."""
    columns = {}
    for kind, stem in ((Kind.IDENTIFIER, "id"), (Kind.TEXT, "text")):
        for i, column in enumerate(column for field, column in fields if field.kind is kind):
            columns[f"{stem}_{i}"] = letters_and_digits(column)
    return columns


def without_trunk(phone: str) -> str:
    """A number in its normal form, without what is dialled before a national one."""
    return f"LTRIM({phone}, '0')"


def letters_and_digits(value: str) -> str:
    """A text or identifier as it is compared."""
    return f"NULLIF(REGEXP_REPLACE(STRIP_ACCENTS({value}), '[^{LETTER}0-9]+', '', 'g'), '')"
