"""Normal forms, and what they promise to whoever pushes a filter to a source."""

from __future__ import annotations

import datetime
import decimal
import subprocess
import sys
from collections.abc import Sequence

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlglot import exp

from identity.errors import UnknownNormalForm
from identity.normalise import normalised, source_predicate

FORMS = [
    "exact",
    "lower",
    "email",
    "email(drop_tags)",
    "email(provider)",
    "email(drop_tags, provider)",
    "phone",
    "phone(GB)",
    "phone(US)",
    "name",
    "date",
    "date(dmy)",
    "postcode",
    "digits",
]


def form(normal: str, *values: object) -> list[str | None]:
    return [
        duckdb.execute(f"SELECT {normalised(normal, exp.column('v')).sql('duckdb')} FROM (SELECT ? AS v)", [value]).fetchall()[0][0]
        for value in values
    ]


@pytest.mark.parametrize(
    ("normal", "spellings", "expected"),
    [
        ("email", ["  Ann@X.COM ", "ann@x.com"], "ann@x.com"),
        ("email", ["", "nope", "a@b", "a b@c.de", None, "@x.de", "a@@b.de", "n/a"], None),
        ("email(drop_tags)", ["Ann+shop@x.com", "ann@x.com"], "ann@x.com"),
        ("email(provider)", ["A.n.n+shop@GoogleMail.com", "ann@gmail.com", "an.n@gmail.com"], "ann@gmail.com"),
        ("email(provider)", ["Ann+shop@fastmail.com", "ann@fastmail.com"], "ann@fastmail.com"),
        ("email(provider)", ["a.nn+shop@x.gmail.com"], "a.nn+shop@x.gmail.com"),
        ("email(provider)", ["a.nn+shop@x.com"], "a.nn+shop@x.com"),
        ("email(provider)", ["...@gmail.com"], "...@gmail.com"),
        ("email(provider)", ["+a.b@gmail.com"], "+a.b@gmail.com"),
        ("email(provider)", ["nope", "gmail.com", "@gmail.com"], None),
        ("email(drop_tags,provider)", ["a.nn+shop@x.com"], "a.nn@x.com"),
        ("email(drop_tags, provider)", ["a.n.n+shop@gmail.com"], "ann@gmail.com"),
        ("phone", ["+1 (415) 555-0100", "001 415 555 0100", "+1 415 555 0100 ext. 12", "14155550100"], "14155550100"),
        ("phone", ["1-800-FLOWERS", "+1 (800) flowers", "1 800 356 9377", "1-800-FLOWERSNOW"], "18003569377"),
        ("phone", ["415-555-HELP", "415-555-4357", "415-555-4357 cell", "4155554357.0"], "4155554357"),
        ("phone", ["030/1234 5678", "030/12345678 / 0171 7654321", "030 12345678, 0171 7654321", "030 12345678 or 0171"], "03012345678"),
        ("phone", ["123", "0000000", "000-000-0000", "1234567890", "", None, "x", "+12345678901234567"], None),
        ("phone(GB)", ["020 7946 0000", "+44 20 7946 0000", "0044 (0)20 7946 0000", "+44 (0) 20 7946 0000"], "442079460000"),
        ("phone(44)", ["020 7946 0000"], "442079460000"),
        ("phone(GB)", ["000 0000 0000", "99999999999"], None),
        ("phone(US)", ["415 555 0100", "1-415-555-0100", "+1 415 555 0100"], "14155550100"),
        ("phone(US)", ["011 44 20 7946 0000"], "442079460000"),
        ("phone(IT)", ["06 1234 5678", "+39 06 1234 5678"], "390612345678"),
        ("phone(RU)", ["8 (495) 123-45-67", "+7 495 123 45 67"], "74951234567"),
        ("name", ["José  Müller-Ångström", "JOSE MULLER ANGSTROM"], "josemullerangstrom"),
        ("name", ["李雷"], "李雷"),
        ("name", ["n/a", "--", " unknown ", ""], None),
        ("lower", ["  ÀB "], "àb"),
        ("exact", [" A b "], " A b "),
        ("exact", ["", "  ", "N/A", "None", None], None),
        ("date", ["1980-02-03", datetime.date(1980, 2, 3), datetime.datetime(1980, 2, 3, 4, 5)], "1980-02-03"),
        ("date", ["1900-01-01", datetime.date(1970, 1, 1), "garbage", "03/04/1980", "infinity"], None),
        ("date(dmy)", ["03/04/1980", "3.4.1980", "1980-04-03"], "1980-04-03"),
        ("date(mdy)", ["04/03/1980"], "1980-04-03"),
        ("postcode", ["sw1a 1aa", "SW1A1AA"], "SW1A1AA"),
        ("postcode", ["94107-1234", "94107"], "94107"),
        ("digits", ["12-34 567 9", 12345679], "12345679"),
        ("exact", [decimal.Decimal("1.50")], "1.50"),
    ],
)
def test_spellings(normal: str, spellings: list[object], expected: str | None) -> None:
    assert form(normal, *spellings) == [expected] * len(spellings)


@pytest.mark.parametrize(
    "normal",
    [
        "fuzzy",
        "email(x)",
        "email(provider, x)",
        "email(provider, provider)",
        "phone(XX)",
        "phone(0)",
        "phone(²)",
        "date(ymd)",
        "",
        "email()",
        "name; drop",
    ],
)
def test_unknown_forms_are_refused(normal: str) -> None:
    with pytest.raises(UnknownNormalForm) as error:
        normalised(normal, exp.column("v"))
    assert error.value.code == "C360_UNKNOWN_NORMAL_FORM"


@settings(deadline=None, max_examples=25)
@given(st.lists(st.text(max_size=40), min_size=4, max_size=12))
def test_forms_are_total_and_stable(texts: list[str]) -> None:
    """No text makes a form throw, and a normal form is its own normal form. Several texts at a time: planning takes longer than running."""
    texts = [text.replace("\0", "").encode("utf-8", "ignore").decode() for text in texts]
    once = every_form([[text] * len(FORMS) for text in texts])
    for first, second in zip(once, every_form(once), strict=True):
        assert "" not in first
        for normal, one, again in zip(FORMS, first, second, strict=True):
            if one is not None and normal not in ("exact", "lower", "phone", "phone(US)", "phone(GB)"):
                assert again == one, normal


def every_form(rows: Sequence[Sequence[str | None]]) -> list[tuple[str | None, ...]]:
    """Each form of FORMS of its own value, row by row."""
    made = ", ".join(normalised(normal, exp.column(f"v{i}")).sql("duckdb") for i, normal in enumerate(FORMS))
    values = ", ".join(f"({', '.join('?::VARCHAR' for _ in FORMS)})" for _ in rows)
    names = ", ".join(f"v{i}" for i in range(len(FORMS)))
    return duckdb.execute(f"SELECT {made} FROM (VALUES {values}) AS t({names})", [value for row in rows for value in row]).fetchall()


@settings(deadline=None)
@given(st.sampled_from(["exact", "lower", "email"]), st.text("aA@.b +é", max_size=12))
def test_a_source_predicate_never_misses(normal: str, text: str) -> None:
    (key,) = form(normal, text)
    if key is None:
        return
    predicate = source_predicate(normal, exp.column("v"), exp.Placeholder(), ascii_key=key.isascii())
    if predicate is None:
        assert not key.isascii()
    else:
        assert duckdb.execute(f"SELECT {predicate.sql('duckdb')} FROM (SELECT ?::VARCHAR AS v)", [key, text]).fetchall() == [(True,)]


@pytest.mark.parametrize("normal", ["phone", "email(drop_tags)", "email(provider)", "email(drop_tags, provider)"])
def test_forms_that_no_source_can_look_up(normal: str) -> None:
    """Several spellings are one key: a source that compared its text with the key would miss all but one of them."""
    assert source_predicate(normal, exp.column("v"), exp.Literal.string("1"), ascii_key=True) is None


_FIRST_TO_PARSE = """
import threading
import sqlglot.dialects.dialect as dialect
from identity.normalise import normalised
from sqlglot import exp

found = []
made = dialect.new_trie

def parse():
    found.append(normalised("name", exp.column("n")).find(exp.RegexpReplace).args.get("position"))

def meanwhile(*given):
    if "duckdb" in dialect._Dialect._classes and not found:  # it is being made now
        other = threading.Thread(target=parse)
        other.start()
        other.join()
    return made(*given)

dialect.new_trie = meanwhile
parse()
print(found)
"""


def test_threads_that_are_the_first_to_parse_read_sql_by_all_its_rules() -> None:
    """A pattern's flag was taken for a position: sqlglot makes a dialect known before it is whole."""
    done = subprocess.run([sys.executable, "-c", _FIRST_TO_PARSE], capture_output=True, text=True, check=True)
    assert done.stdout == "[None]\n"
