"""Normal forms: how a value is written so that two spellings of one thing are equal.

A form is a function of SQL: expression in, VARCHAR expression out, in DuckDB's dialect. It is total (never throws), and gives NULL
for NULL, '' and what stands for "nothing" ("n/a", "unknown", 000-0000, 1900-01-01). Matching, stored identifiers and the
look-up of an event's e-mail use the same one.

    exact            the value as text
    lower            trimmed, lower case
    email            trimmed, lower case; NULL unless it looks like one. email(drop_tags): ann+shop@x.com is ann@x.com.
                     email(provider): one mailbox is one address where its provider says so (an.n+shop@googlemail.com is
                     ann@gmail.com). email(drop_tags, provider): both
    phone            digits; "+" and "00" are dropped, extensions and a second number too, 1-800-FLOWERS is spelt out; NULL under 7
                     or over 15 digits.
                     phone(GB), phone(44): a number without a country is of this one, so 020 7946 0000 is +44 20 7946 0000
    name             lower case, no accents, letters only (of any script)
    date             ISO. date(dmy), date(mdy): how text like 03/04/1980 is read
    postcode         upper case letters and digits; of a US ZIP+4 the first five
    digits           digits only, for card and tax numbers
"""

from __future__ import annotations

import re
from functools import cache

import sqlglot
from sqlglot import exp

from identity.errors import UnknownNormalForm
from identity.phone_numbers import country, international

NOTHING = r"(?i)^\s*(n/?a|n\.a\.|none|null|nil|unknown|undefined|not (known|given|available)|xxx+|-+|\.+|\?+)?\s*$"
_TEXT = f"NULLIF(REGEXP_REPLACE(CAST(__v AS VARCHAR), '{NOTHING}', ''), '')"
_EMAIL = r"NULLIF(REGEXP_EXTRACT(LOWER(TRIM(CAST(__v AS VARCHAR))), '^[^@\s]+@[^@\s]+\.[^@\s.]+$'), '')"
# What providers document of their mailboxes: dots, tags and the second name count for nothing (Google); tags (the others).
_GOOGLE = r"^([^+@]*[^+@.][^+@]*)(?:\+[^@]*)?@(?:gmail|googlemail)\.com$"
_TAGGED = r"proton\.me|protonmail\.com|pm\.me|fastmail\.com|fastmail\.fm|mailbox\.org"
_SAME_DIGIT = "|".join(f"{d}+" for d in range(10)) + "|1234567(?:89?0?)?"
_DATE_FORMATS = {
    "dmy": "['%d/%m/%Y', '%d.%m.%Y', '%d-%m-%Y']",
    "mdy": "['%m/%d/%Y', '%m.%d.%Y', '%m-%d-%Y']",
}
NO_DATES = ("0001-01-01", "1900-01-01", "1901-01-01", "1970-01-01", "9999-12-31", "infinity", "-infinity")

COUNTRY_HINT = "use two letters (ISO 3166: DE, GB), or the calling code: phone(49)"

# 1-800-FLOWERS, 415-555-HELP: letters in place of the last digits, as the North American plan has it; further ones are not dialled.
_LETTERED = r"^(\W*1?\W*[2-9]\d\d\W*(?:(?:[A-Z]\W*){7}|(?:\d\W*){3}(?:[A-Z]\W*){4}))(?:[A-Z]\W*){0,5}$"
_KEYPAD = "'ABCDEFGHIJKLMNOPQRSTUVWXYZ', '22233344455566677778889999'"


def normalised(normal: str, value: exp.Expr) -> exp.Expr:
    """The expression that writes `value` in the form `normal` ("email", "phone(GB)"); VARCHAR, NULL for nothing, never throws.

    Raises: UnknownNormalForm.

    >>> normalised("lower", exp.column("city")).sql("duckdb").startswith("NULLIF(REGEXP_REPLACE(LOWER(TRIM(")
    True
    """
    tree = _form(normal).copy()
    for marker in list(tree.find_all(exp.Column)):
        if marker.name == "__v":
            marker.replace(value.copy())
    return tree


def check_normal_form(normal: str) -> None:
    """Raises: UnknownNormalForm, unless `normal` names a form with an option that it takes."""
    _form(normal)


def source_predicate(normal: str, value: exp.Expr, key: exp.Expr, *, ascii_key: bool) -> exp.Expr | None:
    """A predicate over a source's text column `value` that holds wherever its form `normal` equals `key`; None if there is none.

    It may hold for more rows: check the form again. `key` is a value in normal form (a literal or a parameter); `ascii_key`
    says that it is ASCII: what a source makes of the case of other letters is its own affair (letters that only become ASCII
    in lower case, the Kelvin sign and the dotted İ, are the exception that is accepted).
    """
    if normal == "exact":
        return exp.EQ(this=value.copy(), expression=key.copy())
    if normal in ("email", "lower") and ascii_key:
        return exp.EQ(this=exp.Lower(this=exp.Trim(this=value.copy())), expression=key.copy())
    return None


@cache
def _form(normal: str) -> exp.Expr:
    """The parsed template; the column __v stands for the value."""
    written = re.fullmatch(r"([a-z]+)(?:\((\w+(?:, ?\w+)*)\))?", normal)
    template = _template(written[1], written[2] or "") if written else None
    if written and written[1] == "phone" and template is None:
        raise UnknownNormalForm(f"no country {written[2]} is known to phone numbers", hint=COUNTRY_HINT)
    if template is None:
        raise UnknownNormalForm(
            f"there is no normal form {normal!r}",
            hint="use exact, lower, email, email(drop_tags), email(provider), phone, phone(GB), name, date, date(dmy), date(mdy), postcode "
            "or digits",
        )
    return sqlglot.parse_one(template, read="duckdb")


def _template(name: str, option: str) -> str | None:
    """DuckDB SQL of a form, None if form or option are unknown. A form names __v once, or a few times at the bottom: no SQL explodes."""
    if name == "phone":
        return _phone(option)
    if name == "email":
        return _email(option.replace(" ", "").split(",") if option else [])
    if name == "date" and (not option or option in _DATE_FORMATS):
        return _date(option)
    return {
        ("exact", ""): _TEXT,
        ("lower", ""): _TEXT.replace("CAST(__v AS VARCHAR)", "LOWER(TRIM(CAST(__v AS VARCHAR)))"),
        # what stands for nothing may come to light only now: "n-a"
        ("name", ""): rf"NULLIF(REGEXP_REPLACE(REGEXP_REPLACE(LOWER(STRIP_ACCENTS({_TEXT})), '[^\p{{L}}]', '', 'g'), "
        rf"'{NOTHING}', ''), '')",
        ("postcode", ""): r"NULLIF(REGEXP_EXTRACT(REGEXP_REPLACE(REGEXP_REPLACE(UPPER(CAST(__v AS VARCHAR)), "
        r"'^\s*([0-9]{5})-[0-9]{4}\s*$', '\1'), '[^A-Z0-9]', '', 'g'), '^[A-Z0-9]{3,10}$'), '')",
        ("digits", ""): rf"NULLIF(REGEXP_REPLACE(REGEXP_REPLACE(CAST(__v AS VARCHAR), '[^0-9]', '', 'g'), '^({_SAME_DIGIT})$', ''), '')",
    }.get((name, option))


def _email(options: list[str]) -> str | None:
    if not {*options} <= {"drop_tags", "provider"} or len({*options}) < len(options):
        return None
    email = _EMAIL
    if "drop_tags" in options:
        email = rf"REGEXP_REPLACE({email}, '^([^+@]+)\+[^@]*@', '\1@')"
    if "provider" in options:
        tagless = rf"REGEXP_REPLACE({email}, '^([^+@]+)\+[^@]*@({_TAGGED})$', '\1@\2')"
        # for the moment a mailbox of Google's has a domain without a dot, by which it is known: then any dot is one to drop
        google = rf"REGEXP_REPLACE({tagless}, '{_GOOGLE}', '\1@gmail')"
        email = rf"REGEXP_REPLACE(REGEXP_REPLACE({google}, '^([^@]+@.*\..*)$|\.', '\1', 'g'), '@gmail$', '@gmail.com')"
    return email


def _phone(region: str) -> str | None:
    known = country(region) if region else None
    if region and known is None:
        return None
    code = str(known.country_code) if known else ""
    # few numbers have letters, a second number behind them, or the ".0" of a spreadsheet: what does not match at all is quick
    text = "CAST(__v AS VARCHAR)"
    keys = rf"TRANSLATE(REGEXP_REPLACE(UPPER({text}), '{_LETTERED}', '\1'), {_KEYPAD})"
    spelt = f"CASE WHEN REGEXP_MATCHES({text}, '(?i){_LETTERED}') THEN {keys} ELSE {text} END"
    alone = rf"REGEXP_REPLACE({spelt}, '^((?:[^0-9]*[0-9]){{9,15}}?[^0-9/]*)/.*$|^((?:[^0-9,]*[0-9]){{7}}[^,]*),.*$|\.0$', '\1\2')"
    bare = rf"REGEXP_REPLACE({alone}, '(?i)(\(0\)|(ext|x|#|;|\bor\b).*$)', '', 'g')"
    dialled = f"REGEXP_REPLACE({bare}, '[^0-9+]', '', 'g')"
    dialled = international(known, dialled) if known else rf"REGEXP_REPLACE({dialled}, '^(\+|00)', '+')"
    digits = rf"REGEXP_REPLACE({dialled}, '\+', '', 'g')"
    if not known:  # most numbers are digits already, which is quickly seen
        digits = f"CASE WHEN REGEXP_FULL_MATCH({text}, '[1-9][0-9]{{6,14}}') THEN {text} ELSE {digits} END"
    real = f"REGEXP_REPLACE({digits}, '^({code})?({_SAME_DIGIT})$', '')"
    return f"NULLIF(REGEXP_EXTRACT({real}, '^[0-9]{{7,15}}$'), '')"


def _date(order: str) -> str:
    """ISO text and real dates are cast; other text is read by the formats. 1900-01-01 and its like stand for "unknown"."""
    text = "CAST(__v AS VARCHAR)"
    date = f"TRY_CAST({text} AS DATE)"
    if order:
        date = f"COALESCE(TRY_CAST(TRY_STRPTIME(TRIM({text}), {_DATE_FORMATS[order]}) AS DATE), {date})"
    absent = ", ".join(f"DATE '{day}'" for day in NO_DATES)
    return f"CAST(CASE WHEN {date} IN ({absent}) THEN NULL ELSE {date} END AS VARCHAR)"  # NULLIF in NULLIF doubles what it holds
