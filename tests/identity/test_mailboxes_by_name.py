"""Addresses made of names: that two people of one name have one says far less than that two of other names have."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from faker.providers.person.en_US import Provider

from identity.evaluate import judge

PEOPLE, GIVEN, FAMILY = 5000, 60, 90


@pytest.fixture(scope="module")
def namesakes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """People of few names, two records each. Every address is made of names, at one of two providers, so that many have the same one:
    john.smith@, or the given name and the year of birth, john84@."""
    draw = np.random.default_rng(11)
    given = draw.choice([name for name in Provider.first_names if name.isalpha()][:GIVEN], PEOPLE)
    family = draw.choice([name for name in Provider.last_names if name.isalpha()][:FAMILY], PEOPLE)
    born = np.datetime64("1950-01-01") + draw.integers(0, 16_000, PEOPLE)
    by_year = np.char.add(given, born.astype("datetime64[Y]").astype(str).astype("U4"))
    local = np.where(draw.random(PEOPLE) < 0.5, np.char.add(np.char.add(given, "."), family), by_year)
    email = np.char.lower(np.char.add(local, draw.choice(["@mail.test", "@post.test"], PEOPLE)))
    phone = draw.integers(2_000_000_000, 9_900_000_000, PEOPLE).astype(str)

    def sometimes(values: np.ndarray, share: float) -> np.ndarray:  # type: ignore[type-arg]
        return np.where(draw.random(PEOPLE) < share, values.astype(object), None)

    names = {"person": np.arange(PEOPLE), "first_name": given, "last_name": family, "email": email}
    records = [pa.table({**names, "birth_date": sometimes(born.astype(str), 0.7), "phone": sometimes(phone, 0.4)}) for _ in range(2)]
    path = tmp_path_factory.mktemp("namesakes") / "people.parquet"
    pa.parquet.write_table(pa.concat_tables(records), path)
    return path


def test_namesakes_with_one_address_stay_two_people(namesakes: Path) -> None:
    judged = judge(namesakes, "person")
    scored = judged.scored
    nth = {factor.name: f for f, factor in enumerate(scored.factors)}
    mail, birth = scored.factors[nth["e-mail"]], scored.factors[nth["birth date"]]
    one_address = [i for i, level in enumerate(mail.levels) if level.split(",")[0] == "same"]
    same = np.isin(scored.levels[:, nth["e-mail"]], one_address)
    two_people = same & (scored.levels[:, nth["birth date"]] == birth.levels.index("different"))
    assert two_people.sum() > 500
    assert (judged.labels[scored.left] == judged.labels[scored.right])[two_people].mean() < 0.01
    assert mail.bits[mail.levels.index("same, as is the name")] < 8
    assert judged.evaluation.precision > 0.9 and judged.evaluation.recall > 0.95 and judged.evaluation.ece < 0.03


def test_with_nothing_but_addresses_and_phones_who_shares_one_is_one(tmp_path: Path) -> None:
    draw = np.random.default_rng(5)
    people = np.arange(4000)

    def values(kind: str) -> np.ndarray:  # type: ignore[type-arg]
        every = np.array(
            [f"x{n * 7919 % 100_003}@mail.test" if kind == "email" else str(2_000_000_000 + n * 99_991) for n in people], object
        )
        return np.where(draw.random(len(people)) < 0.7, every, None)

    records = [pa.table({"person": people, "email": values("email"), "phone": values("phone")}) for _ in range(2)]
    path = tmp_path / "people.parquet"
    pa.parquet.write_table(pa.concat_tables(records), path)
    evaluation = judge(path, "person").evaluation
    assert evaluation.precision == 1.0 and evaluation.recall > 0.65  # of 74 % who share something
