"""Tables of people that have little more than a name: the defaults find the pairs, though nothing else agrees to meet by."""

from __future__ import annotations

import csv
import random
from collections.abc import Sequence
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


def test_an_age_beside_a_birth_date_that_is_often_missing(tmp_path: Path) -> None:
    fake, dice = Faker("en_US"), random.Random(15)
    fake.seed_instance(15)
    rows = []
    for person in range(PEOPLE):
        first, last, born = fake.first_name(), fake.last_name(), fake.date_of_birth(minimum_age=18, maximum_age=90)
        for _ in range(2):
            told = {"first_name": first, "last_name": mistyped(last, dice) if dice.random() < 0.2 else last}
            dates = {"dob": str(born) if dice.random() < 0.4 else "", "age": str(2024 - born.year)}
            rows.append({"person": str(person), **told, **dates})
    alone = evaluate(table(tmp_path / "dates.csv", [{c: v for c, v in row.items() if c != "age"} for row in rows]), "person")
    reached = evaluate(table(tmp_path / "ages.csv", rows), "person")
    assert reached.f1 > 0.95 > alone.f1
    assert reached.ece < 0.04


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


def test_columns_that_tell_nothing_spoil_nothing(tmp_path: Path) -> None:
    """Beside names, towns and contacts a dozen columns that agree by chance, of few values or many."""
    fake, dice = Faker("en_US"), random.Random(3)
    fake.seed_instance(3)
    towns = [fake.city() for _ in range(60)]
    rows: list[dict[str, str]] = []
    for person in range(PEOPLE):
        together = rows[-1] if rows and dice.random() < 0.3 else None  # of one household as the one before
        last = together["last_name"] if together else fake.last_name()
        town = together["city"] if together else dice.choice(towns)
        first, mail, phone = fake.first_name(), fake.ascii_free_email(), fake.numerify("##########")
        for _ in range(dice.choice((1, 2, 3))):
            told = {"first_name": first, "last_name": last, "city": town}
            told["email"] = mail if dice.random() < 0.6 else ""
            told["phone"] = phone if dice.random() < 0.6 else ""
            few = {f"setting {i}": dice.choice("abc") for i in range(4)}
            many = {f"measure {i}": str(dice.randrange(100_000)) for i in range(6)}
            rows.append({"person": str(person), **told, **few, **many, "kind": "basic"})
    plain = [{column: row[column] for column in ("person", "first_name", "last_name", "city", "email", "phone")} for row in rows]
    alone = evaluate(table(tmp_path / "plain.csv", plain), "person")
    beside = evaluate(table(tmp_path / "people.csv", rows), "person")
    assert beside.f1 > alone.f1 - 0.01
    assert beside.ece < 0.05


def test_a_rare_text_brings_records_together(tmp_path: Path) -> None:
    """Names without their first letter, and no place: the records meet by what they say of their boat."""
    fake, dice = Faker("en_US"), random.Random(4)
    fake.seed_instance(4)
    rows = []
    for person in range(PEOPLE):
        first, last, boat = fake.first_name(), fake.last_name(), fake.pystr(8, 8)
        rows.append({"person": str(person), "first_name": first, "last_name": last, "boat": boat})
        if person % 3 == 0:
            first, last = first[1:], last[1:]
        rows.append({"person": str(person), "first_name": first, "last_name": mistyped(last, dice), "boat": boat})
    assert evaluate(table(tmp_path / "people.csv", rows), "person").recall > 0.95


def test_a_name_and_a_phone(tmp_path: Path) -> None:
    """People have two phones; that two records have one name is counted to be no chance, for all that their phones differ."""
    fake, dice = Faker("en_US"), random.Random(6)
    fake.seed_instance(6)
    rows = []
    for person in range(2000):
        first, last, phones = fake.first_name(), fake.last_name(), [fake.numerify("2#########") for _ in range(2)]
        for _ in range(dice.choice((1, 1, 2, 3))):
            spelled = mistyped(last, dice) if dice.random() < 0.06 else last
            rows.append({"person": str(person), "first_name": first, "last_name": spelled, "phone": dice.choice(phones)})
    reached = evaluate(table(tmp_path / "people.csv", rows), "person")
    assert reached.f1 > 0.92
    assert reached.ece < 0.05


def contacts(seed: int, times: Sequence[int], mail: Sequence[int], phone: Sequence[int]) -> list[dict[str, str]]:
    """Two thousand people, each so many times, with one of two e-mails and of two phones, or none, by these weights."""
    fake, dice = Faker("en_US"), random.Random(seed)
    fake.seed_instance(seed)
    rows = []
    for person in range(2000):
        mails, phones = ([make() for _ in range(2)] for make in (fake.ascii_free_email, lambda: fake.numerify("2#########")))
        for _ in range(dice.choice(times)):
            drawn = {"email": dice.choices([*mails, ""], mail)[0], "phone": dice.choices([*phones, ""], phone)[0]}
            rows.append({"person": str(person), **drawn})
    return rows


def test_an_email_and_a_phone(tmp_path: Path) -> None:
    reached = evaluate(table(tmp_path / "people.csv", contacts(7, (1, 1, 2, 3), (8, 2, 0), (8, 2, 0))), "person")
    assert reached.f1 > 0.9
    assert reached.ece < 0.1


def test_a_phone_that_is_often_missing(tmp_path: Path) -> None:
    """Who has one of the two in common is one person, as far as those tell who have both: few share a phone with somebody else."""
    rows = contacts(9, (1, 1, 2, 3, 4), (7, 2, 1), (6, 2, 2))
    reached = evaluate(table(tmp_path / "people.csv", rows), "person")
    assert reached.precision > 0.95 and reached.recall > 0.8, reached
    assert reached.ece < 0.06


def test_a_family_with_one_mailbox(tmp_path: Path) -> None:
    """Half of the families have one address and one phone among them, and nothing but given names tells their members apart."""
    fake, dice = Faker("en_US"), random.Random(10)
    fake.seed_instance(10)
    rows = []
    for family in range(700):
        last, mail, phone, share = fake.last_name(), fake.ascii_free_email(), fake.numerify("2#########"), dice.random() < 0.5
        for member in range(dice.choice((1, 2, 3, 4))):
            own = {"first_name": fake.first_name(), "last_name": last}
            own_mail, own_phone = fake.ascii_free_email(), fake.numerify("2#########")
            for _ in range(dice.choice((1, 1, 2, 3))):
                contacts = {"email": mail if share else own_mail, "phone": phone if dice.random() < 0.6 else own_phone}
                rows.append({"person": f"{family} {member}", **own, **{c: v if dice.random() < 0.8 else "" for c, v in contacts.items()}})
    reached = evaluate(table(tmp_path / "people.csv", rows), "person")
    assert reached.precision > 0.95 and reached.recall > 0.9, reached
    assert reached.ece < 0.05


def test_twins_are_not_one_because_nobody_else_could_be(tmp_path: Path) -> None:
    """A clean list of names and birth dates: the only two that look alike are twins. Nor are people one of whom contacts alone are told."""
    fake = Faker("en_US")
    fake.seed_instance(11)
    rows: list[dict[str, str]] = []
    for person in range(3 * PEOPLE):
        twin = person % 150 == 149
        last, born = (rows[-1]["last_name"], rows[-1]["dob"]) if twin else (fake.last_name(), str(fake.date_of_birth()))
        sibling = "" if twin or person % 3 else rows[-1]["last_name"] if rows else ""
        row = {"person": str(person), "first_name": fake.first_name(), "last_name": sibling or last, "dob": born}
        rows.append({**row, "email": fake.ascii_free_email(), "phone": fake.numerify("2#########")})
    for columns in (("first_name", "last_name", "dob"), ("email", "phone")):
        told = [{column: row[column] for column in ("person", *columns)} for row in rows]
        reached = evaluate(table(tmp_path / f"{len(columns)}.csv", told), "person")
        different = len({tuple(row[column] for column in columns) for row in rows})
        assert reached.clusters >= different - 5, columns


def test_many_twins_are_not_one(tmp_path: Path) -> None:
    """A clean list of families, in which two of a hundred people are twins: given names that always differ are no typing mistakes."""
    fake, dice = Faker("en_US"), random.Random(12)
    fake.seed_instance(12)
    rows: list[dict[str, str]] = []
    for person in range(2 * PEOPLE):
        kin = rows[-1] if rows and dice.random() < 0.6 else {"last_name": fake.last_name(), "dob": ""}
        born = kin["dob"] if kin["dob"] and dice.random() < 0.04 else str(fake.date_of_birth())
        rows.append({"person": str(person), "first_name": fake.first_name(), "last_name": kin["last_name"], "dob": born})
    reached = evaluate(table(tmp_path / "people.csv", rows), "person")
    assert reached.clusters > len({tuple(row.values())[1:] for row in rows}) - 10


def test_a_number_that_a_family_has(tmp_path: Path) -> None:
    """An insurance policy is everybody's who lives there: it is no evidence of one person, whatever its column is called."""
    fake, dice = Faker("en_US"), random.Random(13)
    fake.seed_instance(13)
    rows = []
    for family in range(700):
        last, policy = fake.last_name(), fake.numerify("P########")
        for member in range(dice.choice((1, 2, 3, 4))):
            first, born = fake.first_name(), str(fake.date_of_birth())
            for _ in range(dice.choice((1, 1, 2, 3))):
                spelled = mistyped(first, dice) if dice.random() < 0.1 else first
                told = {"first_name": spelled, "last_name": last, "dob": born, "policy_no": policy}
                rows.append({"person": f"{family} {member}", **told})
    reached = evaluate(table(tmp_path / "people.csv", rows), "person")
    assert reached.fields["policy_no"] == "identifier"
    assert reached.precision > 0.95 and reached.recall > 0.95, reached
    assert reached.ece < 0.05


def test_a_family_name_and_a_phone(tmp_path: Path) -> None:
    """Nothing tells the members of a household apart, be there a "Jr." here and there: who has name and phone in common is one."""
    fake, dice = Faker("en_US"), random.Random(14)
    fake.seed_instance(14)
    rows = []
    for person in range(PEOPLE):
        last, phone = fake.last_name() + (" Jr." if person % 100 == 0 else ""), fake.numerify("2#########")
        for _ in range(dice.choice((1, 1, 2, 3))):
            spelled = mistyped(last, dice) if dice.random() < 0.06 else last
            rows.append({"person": str(person), "last_name": spelled, "phone": phone if dice.random() < 0.8 else "+1" + phone})
    reached = evaluate(table(tmp_path / "people.csv", rows), "person")
    assert reached.precision > 0.95 and reached.recall > 0.9, reached


def test_where_nobody_is_twice_nobody_is_invented(tmp_path: Path) -> None:
    """Households share phone and address; a table that has no family name tells its people apart by given name all the same."""
    fake, dice = Faker("en_US"), random.Random(8)
    fake.seed_instance(8)
    rows: list[dict[str, str]] = []
    for person in range(2 * PEOPLE):
        home = {"phone": fake.numerify("2#########"), "street": fake.street_address(), "zip": fake.postcode()}
        if rows and dice.random() < 0.5:
            home = {column: rows[-1][column] for column in home}
        rows.append({"person": str(person), "first_name": fake.first_name(), **home})
    reached = evaluate(table(tmp_path / "people.csv", rows), "person")
    assert reached.clusters > 0.99 * len(rows)


def test_who_pays_with_two_cards_is_not_a_household(tmp_path: Path) -> None:
    """All that is known of a card differs at once: what is not known to tell people apart does not, against name and address."""
    fake, dice = Faker("en_US"), random.Random(31)
    fake.seed_instance(31)
    rows = []
    for household in range(PEOPLE):
        family, zip_code = fake.last_name(), fake.postcode()
        for member in range(dice.choice((1, 2))):
            given = fake.first_name()
            cards = [[fake.numerify("%###"), *(str(dice.randrange(9)) for _ in range(4))] for _ in range(2)]
            for _ in range(dice.choice((1, 1, 2, 3))):
                card = dice.choices(cards, (7, 3))[0]
                told = {"first_name": given, "last_name": family, "zip": zip_code, "email": fake.email() if dice.random() < 0.5 else ""}
                rows.append({"person": f"{household} {member}", **told, **dict(zip("abcde", card, strict=True))})
    reached = evaluate(table(tmp_path / "payers.csv", rows), "person")
    assert reached.precision > 0.98 and reached.recall > 0.78, reached
