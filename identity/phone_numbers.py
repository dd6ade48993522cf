"""How each country dials, as SQL: from what Google's libphonenumber knows (the `phonenumbers` package).

Its own parser takes minutes for a million numbers; here its metadata become expressions that DuckDB runs over all rows.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from phonenumbers import PhoneMetadata

_NOWHERE = "ZZ"


def country(region: str) -> PhoneMetadata | None:
    """What is known of a country, by its two letters (ISO 3166) or its calling code; None if there is none such.

    >>> country("de").country_code, country("44").id, country("XX")
    (49, 'GB', None)
    """
    from phonenumbers import PhoneMetadata, region_code_for_country_code  # 30 ms, for whoever names a country

    name = region_code_for_country_code(int(region)) if region.isdecimal() else region.upper()
    return PhoneMetadata.metadata_for_region(name) if name != _NOWHERE else None


def international(known: PhoneMetadata, dialled: str) -> str:
    """SQL: a number as it is dialled in a country (digits, perhaps behind a +), with + and its calling code.

    What is dialled to get abroad becomes +; what is dialled before a national number goes, unless without it the number would be none;
    the calling code may stand there without +. What is no number of the country is taken for a national one all the same.
    """
    code, general = known.country_code, known.general_desc
    valid = _grouped(general.national_number_pattern) if general else ""
    prefix, abroad = _grouped(known.national_prefix_for_parsing), _grouped(known.international_prefix)
    any_number = "[1-9][0-9]*" if prefix else "[0-9]+"
    found = _replaced(dialled, rf"(?:\+|{abroad}|00)" if abroad else r"(?:\+|00)", "+")
    if rule := known.national_prefix_transform_rule:
        found = _transformed(found, _clean(known.national_prefix_for_parsing), rule)
    if valid:
        found = _replaced(found, f"(?:{prefix})?({valid})$", rf"+{code}\1")
        found = _replaced(found, f"{code}(?:{prefix})?({valid})$", rf"+{code}\1")
    return _replaced(found, f"(?:{prefix})?({any_number})$", rf"+{code}\1")


def _transformed(number: str, prefix: str, rule: str) -> str:
    """Some numbers are dialled otherwise at home than from abroad: Argentina's 011 15… is 9 11…, a local number lacks its area."""
    said = f"REGEXP_EXTRACT({number}, '^(?:{prefix})', {re.compile(prefix).groups})"
    return f"CASE WHEN {said} <> '' THEN {_replaced(number, f'(?:{prefix})', rule)} ELSE {number} END"


def _replaced(number: str, pattern: str, by: str) -> str:
    return f"REGEXP_REPLACE({number}, '^{pattern}', '{by}')"


def _grouped(pattern: str | None) -> str:
    """A pattern of the metadata without groups of its own."""
    return re.sub(r"\((?!\?)", "(?:", _clean(pattern))


def _clean(pattern: str | None) -> str:
    """Some patterns are written over several lines; "~" is where one waits for a tone."""
    return re.sub(r"[\s~]+", "", pattern or "")
