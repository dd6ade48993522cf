"""Tables of people that have little more than a name: the defaults find the pairs, though nothing else agrees to meet by."""

from __future__ import annotations

import csv
import random
from pathlib import Path

from faker import Faker

from identity.evaluate import evaluate
from identity.probabilistic.blocking import candidates, rules_for
from identity.scratch import scratch

PEOPLE = 1300  # with their second records more than are compared all with all


def mistyped(text: str, dice: random.Random) -> str:
    at = dice.randrange(len(text))
    return text[:at] + dice.choice("aeinrst") + text[at + 1 :]


def table(path: Path, rows: list[dict[str, str]]) -> Path:
    random.Random(5).shuffle(rows)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_names_and_ages(tmp_path: Path) -> None:
    """One of the names is mistyped, be it in its first letter, or a letter alone in every second record."""
    fake, dice = Faker("en_US"), random.Random(1)
    fake.seed_instance(1)
    rows = []
    for person in range(PEOPLE):
        first, last, age = fake.first_name(), fake.last_name(), dice.randrange(18, 90)
        rows.append({"person": str(person), "first_name": first, "last_name": last, "age": str(age), "job": fake.job()})
        first, last = dice.choice([(first[0], last), (mistyped(first, dice), last), (first, mistyped(last, dice))])
        rows.append({**rows[-1], "first_name": first, "last_name": last, "age": str(age + dice.choice([0, 0, 1]))})
    reached = evaluate(table(tmp_path / "ages.csv", rows), "person")
    assert reached.fields["age"] == "age"
    assert reached.precision > 0.97 and reached.recall > 0.95, reached
    assert reached.ece < 0.03


def test_one_of_two_family_names(tmp_path: Path) -> None:
    """Julián Narváez Serra is also Narváez, Julián."""
    fake, dice = Faker("es_ES"), random.Random(2)
    fake.seed_instance(2)
    rows = []
    for person in range(PEOPLE):
        given, first, second = fake.first_name().split()[0], fake.last_name(), fake.last_name()
        phone = fake.numerify("6########")
        rows.append({"person": str(person), "nombre_completo": f"{given} {first} {second}", "teléfono": phone})
        short = f"{first}, {given}" if dice.random() < 0.5 else f"{given} {first} {second}".upper()
        rows.append({**rows[-1], "nombre_completo": short, "teléfono": phone if dice.random() < 0.5 else ""})
    reached = evaluate(table(tmp_path / "names.csv", rows), "person")
    assert reached.fields == {"nombre_completo": "full_name", "teléfono": "phone"}
    assert reached.precision > 0.97 and reached.recall > 0.95, reached


def test_each_part_of_a_family_name_is_met_by() -> None:
    columns = ("given", "given1", "family", "double_name")
    rule = rules_for(columns, 2000)[-1]
    assert rule.name == "given name, part of family name"
    assert rule.name not in [rule.name for rule in rules_for(columns, 1_000_000)]
    with scratch("256MiB", 1) as con:
        con.execute(
            "CREATE TABLE prepared AS SELECT *, 'julian' AS given, 'julian' AS given1 FROM (VALUES "
            "(0, 'serra', ' narvaez serra '), (1, 'narvaez', NULL), (2, 'serra', NULL), (3, 'perez', NULL)) AS t(rec, family, double_name)"
        )
        found = candidates(con, "prepared", columns, 4, size=2000)
        met = [y for y in found.yields if y.rule == rule.name]
    assert [y.pairs for y in met] == [2]
    assert {(0, 1), (0, 2)} <= set(zip(found.left.tolist(), found.right.tolist(), strict=True))
