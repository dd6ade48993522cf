"""A handful of people for tests of evidence: strangers enough to train on, and persons whose names tell what is to be tested."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from faker import Faker
from records import SECRET, record_set

from identity.crosswalk import Crosswalk
from identity.engines import Engines
from identity.model import RecordSet
from identity.probabilistic.engine import Probabilistic, Settings, uses
from identity.probabilistic.kinds import recognise
from identity.resolve import resolve
from identity.versions.store import CrosswalkStore

ATTRIBUTES = ("first_name", "last_name", "birth_date", "email", "phone", "street", "postcode", "city")
Row = dict[str, Any]
FAKE = Faker("en_GB")
"""Made once, since that takes as long as twenty people. Whoever draws from it seeds it first."""


def strangers(count: int, twice: int, seed: int = 1) -> list[Row]:
    """`count` people, the first `twice` of whom have a second record at the end, with a phone of its own and a typing mistake."""
    return [dict(row) for row in _strangers(count, twice, seed)]


@cache
def _strangers(count: int, twice: int, seed: int) -> list[Row]:
    fake = seeded(seed)
    rows = []
    for _ in range(count):
        first, last = fake.first_name(), fake.last_name()
        mail = f"{first}.{last}{fake.random_int(10, 99)}@{fake.free_email_domain()}".lower()
        born, street = fake.date_of_birth(minimum_age=18, maximum_age=80).isoformat(), f"{fake.building_number()} {fake.street_name()}"
        values = (first, last, born, mail, fake.numerify("07#########"), street, fake.postcode(), fake.city())
        rows.append(dict(zip(ATTRIBUTES, values, strict=True)))
    again = [{**row, "phone": fake.numerify("07#########"), "first_name": row["first_name"][:-1]} for row in rows[:twice]]
    return rows + again


def kin(rows: list[Row], seed: int = 2) -> list[Row]:
    """Somebody else in each one's household, of whom less is known."""
    fake = seeded(seed)
    return [{**row, "first_name": fake.first_name(), "birth_date": None, "email": None} for row in rows]


def moved(rows: list[Row], seed: int = 3) -> list[Row]:
    """Maybe the same people, elsewhere: some of the name, the birth date or the phone is left, in another mixture for each."""
    fake = seeded(seed)
    there = [
        {**row, "street": f"{fake.building_number()} {fake.street_name()}", "postcode": fake.postcode(), "email": None} for row in rows
    ]
    for i, row in enumerate(there):
        row["birth_date"] = None if i % 4 < 2 else row["birth_date"]
        row["phone"] = fake.numerify("07#########") if i % 2 else None
        row["city"] = row["city"] if i % 3 else fake.city()
    return there


def seeded(seed: int) -> Faker:
    FAKE.seed_instance(seed)
    return FAKE


def people_set(rows: list[Row], source: str = "crm", key: str = "id", kind: str = "BIGINT") -> RecordSet:
    """The rows as records 1, 2, … of a source (or by the keys that they have)."""
    keyed = [{"k0": row.get("key", i), **{name: row.get(name) for name in ATTRIBUTES}} for i, row in enumerate(rows, 1)]
    return record_set(keyed, source, "contact", ((key, kind),), ATTRIBUTES)


def engine(**settings: Any) -> Engines:
    """Weighs people by their standard fields, and is trained on those at hand."""
    return Engines(SECRET, {}, Path(), only=Probabilistic(Settings(uses(recognise(ATTRIBUTES)), **settings), SECRET))


def resolved(store: CrosswalkStore, *sets: RecordSet, **options: Any) -> Crosswalk:
    """Resolve by weight of evidence."""
    resolve(list(sets), {}, store, SECRET, engines=options.pop("engines", None) or engine(), **options)
    found = store.current()
    assert found is not None
    return found


__all__ = ["ATTRIBUTES", "Row", "engine", "kin", "moved", "people_set", "resolved", "strangers"]
