"""Numbers of every kind of dialling plan, held against Google's library itself."""

from __future__ import annotations

import duckdb
import phonenumbers
import pytest
from phonenumbers import PhoneNumberFormat, PhoneNumberType
from sqlglot import exp

from identity.normalise import normalised
from identity.phone_numbers import country

SUPPORTED = sorted(phonenumbers.SUPPORTED_REGIONS)
REGIONS = "AR AU BB BR CN CO DE ES FI FR GB HK HU ID IN IT JP KE KR KZ LT MC MN MX NG NO NZ PL RU SG SM TR UA US UY VA ZA".split()  # noqa: SIM905
"""Every way to dial: no prefix, 0, 1, 8, 06; a 0 that belongs to the number; carriers, areas and mobile prefixes that come and go."""


def spellings(region: str) -> list[tuple[str, str]]:
    """Numbers of a country as people write them, and all their digits with the calling code."""
    found = []
    for kind in (PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE):
        example = phonenumbers.example_number_for_type(region, kind)
        for step in (7, 38) if example else ():  # the examples themselves, 12345678 and the like, stand for nothing
            number = phonenumbers.PhoneNumber()
            number.merge_from(example)
            number.national_number = example.national_number + step
            digits = phonenumbers.format_number(number, PhoneNumberFormat.E164)[1:]
            ways = (PhoneNumberFormat.NATIONAL, PhoneNumberFormat.INTERNATIONAL, PhoneNumberFormat.E164)
            found += [(phonenumbers.format_number(number, way), digits) for way in ways if phonenumbers.is_valid_number(number)]
            found += [(digits, digits)]
    return found


def theirs(text: str, region: str) -> str:
    return phonenumbers.format_number(phonenumbers.parse(text, region), PhoneNumberFormat.E164)[1:]


@pytest.mark.parametrize("region", REGIONS)
def test_a_number_is_read_as_the_library_reads_it(region: str) -> None:
    texts = spellings(region)
    assert texts
    form = normalised(f"phone({region})", exp.column("text")).sql("duckdb")
    ours = duckdb.execute(f"SELECT {form} FROM (SELECT unnest(?::VARCHAR[]) AS text)", [[text for text, _ in texts]]).fetchall()
    for (text, digits), (our,) in zip(texts, ours, strict=True):
        assert our == theirs(text, region), text
        if text != digits:  # without +, what begins like the calling code may as well be an area
            assert our == digits, text


def test_every_country_and_calling_code_is_known() -> None:
    assert len(SUPPORTED) > 240
    for region in SUPPORTED:
        known = country(region)
        assert known is not None
        assert country(str(known.country_code)) is not None
    assert country("ZZ") is country("999") is country("0") is None


def test_every_countrys_patterns_are_ones_that_duckdb_reads() -> None:
    said = ", ".join(normalised(f"phone({region})", exp.column("text")).sql("duckdb") for region in SUPPORTED[::12])
    assert duckdb.execute(f"SELECT {said} FROM (SELECT NULL::VARCHAR AS text)").fetchall()
