"""What an attribute says about a person: its kind, from which follow normal form, comparison and blocking.

A user names attributes, not comparisons: the kind of each is known from the standard objects' names and from what such columns are
commonly called; a project may say it itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What an attribute is, as far as telling people apart goes."""

    GIVEN = "given_name"
    MIDDLE = "middle_name"
    FAMILY = "family_name"
    FULL = "full_name"
    ORGANISATION = "organisation_name"
    BIRTH_DATE = "birth_date"
    BIRTH_YEAR = "birth_year"
    BIRTH_MONTH = "birth_month"
    BIRTH_DAY = "birth_day"
    EMAIL = "email"
    PHONE = "phone"
    STREET = "street"
    ADDRESS = "address"
    HOUSE_NUMBER = "house_number"
    CITY = "city"
    POSTCODE = "postcode"
    GENDER = "gender"
    IDENTIFIER = "identifier"
    TEXT = "text"
    IGNORED = "ignored"


# What columns are called, most telling first. A name is split into words; a pattern is held against the words joined by "_".
_NAMES: tuple[tuple[str, Kind], ...] = (
    (r"(last|first)?_?(updated|modified|created|seen).*|.*_(updated|modified|created)_(at|on|date)", Kind.IGNORED),
    (
        r"age|household.*|cluster.*|entity.*|unique_id|row_id|rec(ord)?_(id|no)|id|index|data_?set|source.*|url|latitude|longitude",
        Kind.IGNORED,
    ),
    (r".*(organi[sz]ation|company|business|employer|org)(_name)?|.*name_org|.*site_name|legal_name|trading_name", Kind.ORGANISATION),
    (r"(birth|b)_?(year|y)|year_of_birth|yob|by|year", Kind.BIRTH_YEAR),
    (r"(birth|b)_?(month|m)|month_of_birth|mob|bm", Kind.BIRTH_MONTH),
    (r"(birth|b)_(day|d)|day_of_birth|bd", Kind.BIRTH_DAY),
    (r"(date_of_)?birth_?(date|dt)?|date_of_birth|dob|d_o_b|birthday|bday|geburtsdatum|naissance", Kind.BIRTH_DATE),
    (r"(.*_)?e_?mail(_addr(ess)?)?(_\d)?|mail", Kind.EMAIL),
    (r"(.*_)?(phone|telephone|mobile|cell|tel|msisdn)(_?(number|no|num))?(_\d)?", Kind.PHONE),
    (r".*(ssn|soc_sec|social_security|passport|licen[cs]e|national|tax|nhs|nino|vat|lei|personal)_?(id|no|num|number)?", Kind.IDENTIFIER),
    (r"(middle|mid|second)_?(name|initials?)?|mname|minit|name_middle|.*_name_middle", Kind.MIDDLE),
    (
        r"(full|complete|person|customer|contact|primary|display)?_?name(_full)?|.*_name_full|full_?name|first_and_(sur|last)_?name",
        Kind.FULL,
    ),
    (r"(sur|last|family|l)_?_?name(_?c?1)?|surname|lname(_c1)?|name_last|.*_name_last|nachname|last|family", Kind.FAMILY),
    (r"(first|given|fore|christian|f)_?_?names?(_?c?1)?|fname(_c1)?|name_first|.*_name_first|forename|vorname|first|given", Kind.GIVEN),
    (r"(street|house|building|addr(ess)?_street)_?(number|no|num|nr)|housenumber", Kind.HOUSE_NUMBER),
    (r"(.*_)?(addr(ess)?_?(line)?_?1|street(_?(name|address))?|strasse)", Kind.STREET),
    (r"(ip|mac|web|wallet)_?addr(ess)?|addr(ess)?_?(type|id|since)", Kind.IGNORED),
    (r"(.*_)?addr(ess)?(_(full|text|raw|string))?|anschrift|adresse|direccion|indirizzo|adres", Kind.ADDRESS),
    (r"(.*_)?(post_?_?code|postal_?code|zip(_?code)?|plz)(_\w+)?", Kind.POSTCODE),
    (r"(.*_)?(city|town|suburb|locality|place|municipality|ort)", Kind.CITY),
    (r"(.*_)?(sex|gender)(_code)?", Kind.GENDER),
    (r".*(_type|_country|_state|_region|_role|_key|status|amount|category|date|time|unit.*|flag)|state|country|region", Kind.IGNORED),
)


@dataclass(frozen=True, slots=True)
class Field:
    """An attribute to compare, and its kind."""

    attribute: str
    kind: Kind


def kind_of(name: str) -> Kind:
    """The kind of a column by its name.

    >>> [kind_of(n).value for n in ("SURNAME", "dateOfBirth", "phone_2", "soc_sec_id", "first", "birthday", "occupation")]
    ['family_name', 'birth_date', 'phone', 'identifier', 'given_name', 'birth_date', 'text']
    """
    words = re.sub(r"([a-z])([A-Z])", r"\1_\2", name.strip())
    words = re.sub(r"[^a-z0-9]+", "_", words.lower()).strip("_")
    return next((kind for pattern, kind in _NAMES if re.fullmatch(pattern, words)), Kind.TEXT)


def recognise(names: Iterable[str], declared: Mapping[str, Kind] | None = None) -> tuple[Field, ...]:
    """The fields among `names`, in their order; `declared` kinds come first. Ignored ones are left out."""
    fields = [Field(name, (declared or {}).get(name) or kind_of(name)) for name in names]
    return tuple(field for field in fields if field.kind is not Kind.IGNORED)
