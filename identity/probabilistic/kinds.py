"""What an attribute says about a person: its kind, from which follow normal form, comparison and blocking.

A user names attributes, not comparisons: the kind of each is known from the standard objects' names and from what such columns are
commonly called; a project may say it itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from anyascii import anyascii

from identity.probabilistic.column_names import AREA, LABEL, OWNER, PATTERNS, SHORT


class Kind(StrEnum):
    """What an attribute is, as far as telling people apart goes."""

    GIVEN = "given_name"
    MIDDLE = "middle_name"
    FAMILY = "family_name"
    FULL = "full_name"
    FAMILY_FIRST = "family_first_name"
    SUFFIX = "name_suffix"
    ORGANISATION = "organisation_name"
    BIRTH_DATE = "birth_date"
    BIRTH_YEAR = "birth_year"
    BIRTH_MONTH = "birth_month"
    BIRTH_DAY = "birth_day"
    AGE = "age"
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


@dataclass(frozen=True, slots=True)
class Field:
    """An attribute to compare, and its kind."""

    attribute: str
    kind: Kind


_PARTS = {"year": Kind.BIRTH_YEAR, "month": Kind.BIRTH_MONTH, "day": Kind.BIRTH_DAY}
_NAMES = (Kind.GIVEN, Kind.FAMILY, Kind.FULL, Kind.FAMILY_FIRST, Kind.ORGANISATION)
_PLACES = (Kind.CITY, Kind.POSTCODE, Kind.ADDRESS)


def kind_of(name: str) -> Kind:
    """The kind of a column by its name.

    >>> [kind_of(n).value for n in ("SURNAME", "dateOfBirth", "phone_2", "soc_sec_id", "first", "birthday", "occupation")]
    ['family_name', 'birth_date', 'phone', 'identifier', 'given_name', 'birth_date', 'text']
    >>> [kind_of(n).value for n in ("Straße", "patient_last_name", "mothers_phone", "sex_code", "res_city_desc")]
    ['street', 'family_name', 'ignored', 'gender', 'city']
    """
    return _kind(_words(name))


def recognise(names: Iterable[str], declared: Mapping[str, Kind] | None = None) -> tuple[Field, ...]:
    """The fields among `names`, in their order; `declared` kinds come first. Ignored ones are left out.

    Of a code and its meaning (race_code, race_desc) only the first counts. States and counties count where nothing else tells a place;
    year, month and day, all three, are of birth where nothing else is; an owner is the person where nobody else is named.

    >>> [field.attribute for field in recognise(["last_name", "race_code", "race_desc", "state", "zip"])]
    ['last_name', 'race_code', 'zip']
    >>> [field.attribute for field in recognise(["last_name", "state"])]
    ['last_name', 'state']
    >>> [field.kind.value for field in recognise(["Year", "Month", "Day"])], recognise(["year", "month"]), recognise(["day", "dob"])[1:]
    (['birth_year', 'birth_month', 'birth_day'], (), ())
    """
    said = declared or {}
    kinds = {name: said.get(name) or kind_of(name) for name in names}
    kinds |= {name: kind for name, kind in _seen_together(kinds).items() if name not in said}
    return tuple(Field(name, kind) for name, kind in kinds.items() if kind is not Kind.IGNORED)


def _seen_together(kinds: Mapping[str, Kind]) -> dict[str, Kind]:
    """What columns are by the others that there are, where that is something else."""
    every, found = set(kinds.values()), dict[str, Kind]()
    words = {name: _words(name) for name in kinds}
    if every.isdisjoint((Kind.BIRTH_DATE, *_PARTS.values())) and _PARTS.keys() <= set(words.values()):
        found |= {name: _PARTS[called] for name, called in words.items() if called in _PARTS}
    if every.isdisjoint(_NAMES):
        found |= {name: Kind.FULL for name, called in words.items() if OWNER.fullmatch(called)}
    placed = not every.isdisjoint(_PLACES)
    meanings: set[str] = set()
    for name, kind in kinds.items():
        meaning = LABEL.sub("", words[name])
        area = not placed and AREA.fullmatch(meaning) is not None
        if (kind is Kind.TEXT or area) and meaning in meanings:
            found[name] = Kind.IGNORED
        elif area:
            found[name] = Kind.TEXT
        meanings.add(meaning)
    return found


def _words(name: str) -> str:
    """The words of a name in lower case and plain Latin letters, joined by "_"."""
    parted = re.sub(r"([a-z])([A-Z])", r"\1_\2", anyascii(name).strip())
    return re.sub(r"[^a-z0-9]+", "_", parted.lower()).strip("_")


def _kind(words: str) -> Kind:
    found = next((kind for kind, pattern in PATTERNS if re.fullmatch(pattern, words)), None)
    if found is not None:
        return Kind(found)
    if AREA.fullmatch(words):
        return Kind.IGNORED
    meaning = LABEL.sub("", "_".join(SHORT.get(word, word) for word in words.split("_")))
    return Kind.TEXT if meaning == words else _kind(meaning)
