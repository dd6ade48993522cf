"""Names, dates and addresses of any spelling, as they are compared."""

from __future__ import annotations

import duckdb
import pyarrow as pa
import pytest
from sqlglot import exp

from identity.normalise import normalised
from identity.probabilistic.contacts import phone_factor
from identity.probabilistic.factors import Factor
from identity.probabilistic.kinds import Field, Kind, kind_of
from identity.probabilistic.names import name_factor
from identity.probabilistic.places import place_factor
from identity.probabilistic.prepare import TABLE, months_first, prepare


def normal(form: str, value: str) -> str:
    found = duckdb.execute(f"SELECT {normalised(form, exp.Literal.string(value)).sql('duckdb')}").fetchall()[0][0]
    assert found is not None
    return str(found)


def level(factor: Factor, **columns: tuple[str | None, str | None]) -> str:
    """The level of two records with these values, all equally common."""
    with duckdb.connect() as con:
        for side, name in enumerate("lr"):
            values = {column: pa.array([values[side]], pa.string()) for column, values in columns.items()}
            common = {column: pa.array([-3.0]) for column in factor.columns if column not in values}
            con.register(name, pa.table(values | common))
        return factor.levels[con.execute(f"SELECT {factor.sql} FROM l, r").fetchall()[0][0]]


def prepared(kind: Kind, values: list[str | None], wanted: str, source: int = 0) -> list[str | None]:
    """Column `wanted` of records that have `values` in a field of `kind`."""
    with duckdb.connect() as con:
        rows = ", ".join(f"({i}, {source}, {'NULL' if value is None else repr(value)})" for i, value in enumerate(values))
        con.execute(f"CREATE TABLE record AS SELECT rec, source, n0::VARCHAR AS n0 FROM (VALUES {rows}) AS t(rec, source, n0)")
        fields = [(Field("a", kind), "n0")]
        prepare(con, "record", fields, months_first(con, "record", fields))
        return [value for (value,) in con.execute(f"SELECT {wanted} FROM {TABLE} ORDER BY rec").fetchall()]


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("1970-03-01", "19700301"),
        ("19700301", "19700301"),
        ("01/03/1970", "19700301"),
        ("1.3.70", "19700301"),
        ("1/3/05", "20050301"),
        ("Mar 1 1970", "19700301"),
        ("1 March 1970", "19700301"),
        ("19-Feb-91", "19910219"),
        ("1970", "19700000"),
        ("25628", "19700301"),
        ("49999", None),
        ("soon", None),
        (None, None),
    ],
)
def test_birth_dates(written: str | None, read: str | None) -> None:
    assert prepared(Kind.BIRTH_DATE, [written], "dob") == [read]


def test_a_thirteenth_month_tells_the_order() -> None:
    assert prepared(Kind.BIRTH_DATE, ["3/1/1970", "12/25/1980"], "dob") == ["19700301", "19801225"]
    assert prepared(Kind.BIRTH_DATE, ["3/1/1970", "25/12/1980"], "dob") == ["19700103", "19801225"]


@pytest.mark.parametrize(
    ("written", "given", "family", "generation"),
    [
        ("smith, robert", "robert", "smith", None),
        ("dr. zoë o'hara", "zoe", "ohara", None),
        ("david dobbins jr", "david", "dobbins", "2"),
        ("Smith, Jr., John A.", "john", "smith", "2"),
        ("Dr. John Smith, PhD, MBA", "john", "smith", None),
        ("Prof. Dr. med. Hans Müller", "hans", "muller", None),
        ("Mr Smith", None, "smith", None),
        ("VAN DER BERG Jan", "jan", "berg", None),
        ("Berg, Jan van der", "jan", "berg", None),
        ("jan van der berg", "jan", "berg", None),
        ("DUPONT Jean-Pierre", "jeanpierre", "dupont", None),
        ("MARY SMITH", "mary", "smith", None),
        ("SMITH/JOHN PAUL MR", "john", "smith", None),
        ("SMITH J A MRS", "j", "smith", None),
        ("Mary Smith, Dr.", "mary", "smith", None),
        ("AJ Smith", "aj", "smith", None),
        ("Mohammed bin Salman al-Saud", "mohammed", "saud", None),
        ('William "Bill" Gates', "william", "gates", None),
        ("Mary Smith (née Jones)", "mary", "smith", None),
        ("Müller, geb. Schmidt, Anna", "anna", "muller", None),
        ("习近平", "jinping", "xi", None),
        ("김정은", "jeongeun", "gim", None),
        ("王伟", "wei", "wang", None),
        ("борис годунов", "boris", "godunov", None),
    ],
)
def test_whole_names(written: str, given: str | None, family: str, generation: str | None) -> None:
    found = [prepared(Kind.FULL, [written.replace("'", "’")], column)[0] for column in ("given", "family", "generation")]
    assert found == [given, family, generation]


@pytest.mark.parametrize(
    ("written", "family"),
    [
        ("van der berg", "berg"),
        ("de la cruz", "cruz"),
        ("al-assad", "assad"),
        ("o''hara", "ohara"),
        ("mc donald", "mcdonald"),
        ("le", "le"),
        ("van", "van"),
        ("smith jr", "smith"),
        ("vandenberg", "vandenberg"),
    ],
)
def test_family_names_go_without_particles(written: str, family: str) -> None:
    assert prepared(Kind.FAMILY, [written.replace("''", "’")], "family") == [family]


def test_titles_are_no_given_names() -> None:
    assert prepared(Kind.GIVEN, ["dr. john", "mr. dr", "mary ann"], "given1") == ["john", None, "mary"]


@pytest.mark.parametrize(
    ("one", "other", "found"),
    [
        ("meier", "meier-schmidt", "part of a double name"),
        ("meier-schmidt", "schmidt", "part of a double name"),
        ("schmidt-meier", "meier schmidt", "part of a double name"),
        ("garcía márquez", "marquez", "part of a double name"),
        ("garcia marquez", "garcia lopez", "similar"),  # the same beginning, no more: sister's son, or nobody
        ("meier", "obermeier", "close"),
        ("ander", "mander-smith", "close"),  # in it, but no word of it
        ("smith", "jones", "different"),
    ],
)
def test_double_names(one: str, other: str, found: str) -> None:
    family = prepared(Kind.FAMILY, [one, other], "family")
    double = prepared(Kind.FAMILY, [one, other], "double_name")
    pair = {"family": (family[0], family[1]), "double_name": (double[0], double[1])}
    assert level(name_factor(False, True), **pair) == f"given name missing, family name {found}"


def test_a_whole_name_of_three_words_may_have_two_family_names() -> None:
    assert prepared(Kind.FULL, ["Gabriel García Márquez", "Gabriel García"], "double_name") == [" garcia marquez ", None]


@pytest.mark.parametrize(
    ("spellings", "street", "house"),
    [
        (["12 main street", "12 main st.", "main street 12 b", "12-14 main str", "main st., 12"], "mainst", "12"),
        (["12 main st apt 4", "apt. 4, 12 main st", "12 main street #4", "12 main st unit 4b"], "mainst", "12"),
        (["hauptstraße 5", "hauptstr. 5a", "hauptstrasse 5/7"], "hauptstr", "5"),
        (["5 north park avenue", "5 n. park ave", "5 n park av"], "nparkav", "5"),
        (["avenida libertad 10", "av. libertad 10", "avda libertad, 10"], "avlibertad", "10"),
        (["p.o. box 77", "post office box 77", "po box 77"], "pobox", "77"),
        (["5410 county road 12"], "countyrd12", "5410"),
        (["100 ne 5th st"], "ne5thst", "100"),
    ],
)
def test_one_street_in_several_spellings(spellings: list[str], street: str, house: str) -> None:
    assert prepared(Kind.STREET, spellings, "street") == [street] * len(spellings)
    assert prepared(Kind.STREET, spellings, "house") == [house] * len(spellings)


def test_flats() -> None:
    spellings = ["12 main st apt 4b", "flat 4b, 12 main st", "12 main st #4b", "12 main st", "5th floor 12 main st"]
    assert prepared(Kind.STREET, spellings, "unit") == ["4b", "4b", "4b", None, None]
    same = {"street": ("mainst", "mainst"), "house": ("12", "12"), "postcode": (None, None)}
    place = place_factor({"street", "house", "unit", "postcode"})
    assert level(place, **same, unit=("4", "5")) == "same street, other number, locality missing"
    assert level(place, **same, unit=("4", "4")) == level(place, **same, unit=(None, None)) == "same house, locality missing"
    assert level(place, **same, unit=("4", None)) == "same street, a number missing, locality missing"


@pytest.mark.parametrize(
    ("written", "street", "house", "city", "postcode"),
    [
        ("12 main st, apt 4, springfield, il 62701-1234, usa", "mainst", "12", "springfield", "62701"),
        ("12 main st, springfield 62701", "mainst", "12", "springfield", "62701"),
        ("12 main st, springfield", "mainst", "12", "springfield", None),
        ("9304 w. 15th st la blanca, fl 60527", "w15thst", "9304", "lablanca", "60527"),
        ("27 washington oak park il 60302", "washingtonoakpark", "27", None, "60302"),
        ("hughes plaza, 1000 howard hughes way", "howardhughesway", "1000", None, None),
        ("flat 2, 12 high street, london sw1a 1aa", "highst", "12", "london", "SW1A1AA"),
        ("rose cottage, mill lane, ely cb7 4dl", "millln", None, "ely", "CB74DL"),
        ("hauptstraße 5, 10115 berlin, germany", "hauptstr", "5", "berlin", "10115"),
        ("hauptstr. 5 10115 berlin", "hauptstr", "5", "berlin", "10115"),
        ("12, rue de la paix, 75002 paris", "ruedelapaix", "12", "paris", "75002"),
        ("via roma, 12, 20121 milano", "viaroma", "12", "milano", "20121"),
        ("keizersgracht 123, 1015 cj amsterdam", "keizersgracht", "123", "amsterdam", "1015CJ"),
        ("7 wallaby place, cleveland nsw 2119", "wallabypl", "7", "cleveland", "2119"),
        ("springfield, il 62701", None, None, "springfield", "62701"),
        ("12 main st", "mainst", "12", None, None),
        ("1450 n city rd", "ncityrd", "1450", None, None),
        ("main street 1450", "mainst", "1450", None, None),
    ],
)
def test_whole_addresses(written: str, street: str | None, house: str | None, city: str | None, postcode: str | None) -> None:
    found = [prepared(Kind.ADDRESS, [written], column)[0] for column in ("street", "house", "city", "postcode")]
    assert found == [street, house, city, postcode]


def test_columns_of_addresses_are_known_by_name() -> None:
    names = (
        "address",
        "full_address",
        "mailing_address",
        "address_1",
        "addr_line_1",
        "street",
        "email_address",
        "ip_address",
        "address_type",
    )
    kinds = (*[Kind.ADDRESS] * 3, *[Kind.STREET] * 3, Kind.EMAIL, *[Kind.IGNORED] * 2)
    assert tuple(map(kind_of, names)) == kinds


def test_streets_and_organisations() -> None:
    assert prepared(Kind.STREET, ["12 main street", "12 main st.", None], "street") == ["mainst", "mainst", None]
    assert prepared(Kind.STREET, ["12 main street", "main street 12 b"], "house") == ["12", "12"]
    assert prepared(Kind.ORGANISATION, ["the acme exports ltd.", "exports acme"], "org") == ["acme exports", "acme exports"]


def test_an_address_is_a_mailbox() -> None:
    spellings = ["j.smith+shop@googlemail.com", "jsmith@gmail.com", "j.smith+x@x.org", "j.smith@x.org", None]
    assert prepared(Kind.EMAIL, spellings, "email") == ["jsmith@gmail.com", "jsmith@gmail.com", "j.smith@x.org", "j.smith@x.org", None]
    assert prepared(Kind.EMAIL, spellings, "local") == ["j.smith", "jsmith", "j.smith", "j.smith", None]


def test_phones_are_told_apart_by_what_follows_country_and_area() -> None:
    same = ["0171 1234567", "+49 171 1234567", "0049 (0)171/1234567"]
    found = prepared(Kind.PHONE, [normal("phone", value) for value in same], "phone")
    assert found == ["1711234567", "491711234567", "491711234567"]
    assert level(phone_factor(), phone=(found[0], found[1])) == "same but for country or area"
    assert level(phone_factor(), phone=("4155550100", "5550100")) == "same but for country or area"
    assert level(phone_factor(), phone=("79123456701", "89123456701")) == "same but for country or area"
    assert level(phone_factor(), phone=("4155550100", "4155550101")) == "one digit off"
    assert level(phone_factor(), phone=("4155550100", "4165550100")) == "one digit off"
    assert level(phone_factor(), phone=("4155550100", "2025550100")) == "different"


@pytest.mark.parametrize(("kind", "value", "column"), [(Kind.FULL, "王伟", "given"), (Kind.ADDRESS, "1 main st, springfield", "city")])
def test_odd_values_on_many_records_are_still_one_each(kind: Kind, value: str, column: str) -> None:
    assert len(prepared(kind, [value] * 3, column)) == 3
