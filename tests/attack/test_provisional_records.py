"""Records that no crosswalk knows yet, in two companies that differ in what ana may not see: people of other countries, before the last
resolve and after it. Whatever profile she asks for, she cannot tell the companies apart."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from connectors.spi.errors import C360Error, InternalError
from tests.federation.test_provisional import Company
from tests.support.postgres import TestPostgres

Pair = tuple[Company, Company]


@pytest.fixture(scope="module")
def companies(tmp_path_factory: pytest.TempPathFactory, postgres: TestPostgres) -> Iterator[Pair]:
    made = []
    for hidden in (0, 1):
        company = Company(tmp_path_factory.mktemp(f"company{hidden}"), postgres)
        if hidden:  # known and hidden: they carry what visible people and new records carry
            company.contact(50, "hush@x.org", phone="+49 431 111", first="Hush", country="CH")
            company.contact(51, "rob@x.org", phone="+49 431 555", first="Hush", country="FR")
            company.project.resolve()
        company.contact(10, "ADA@x.org", phone="+49 431 111", first="Eve", country="DE")  # visible and new
        company.contact(11, "rob@x.org", phone="+49 431 555", first="Rob", country="DE")
        company.contact(12, "new@x.org", phone="+49 431 777", first="Nel", country="DE")
        company.order(1, 12)
        if hidden:  # new and hidden
            company.contact(60, "ada@x.org", phone="+49 431 888", first="Hush", country="CH")
            company.contact(61, "zoe@x.org", phone="+49 431 777", first="Hush", country="CH")
            company.holder(62, "zoe@x.org", "Hush", "FR")
            company.order(2, 60)
        made.append(company)
    yield made[0], made[1]
    for company in made:
        company.project.close()


def told(company: Company, who: object, provisional: bool | None) -> str:
    try:
        found = company.profile(who, "ana", provisional=provisional, window=None, provenance=True).as_dict()
        return re.sub(r"datetime\.datetime\([^)]*\)", "then", repr(found))  # the companies were not made at the same moment
    except C360Error as error:
        assert not isinstance(error, InternalError), error
        return f"{error.code} {error}"


@pytest.mark.parametrize("provisional", [None, True, False])
def test_nothing_hidden_shows(companies: Pair, provisional: bool | None) -> None:
    one, other = companies
    assert one.ada == other.ada and one.cyd == other.cyd
    mails = ["ada", "bob", "cyd", "hush", "rob", "new", "zoe", "nobody"]
    asked: list[object] = [one.ada, one.bob, one.cyd, 5]
    asked += [{"email": f"{name}@x.org"} for name in mails] + [{"phone": f"+49431{n}"} for n in (111, 222, 555, 777, 888, 999)]
    asked += [("crm", "contact", n) for n in (1, 10, 11, 12, 50, 60, 61)] + [("billing", "holder", 62)]
    answers = []
    for who in asked:
        answers.append(told(one, who, provisional))
        assert answers[-1] == told(other, who, provisional), who
        assert "Hush" not in answers[-1]
    assert ("'first_name': 'Nel'" in "".join(answers)) == (provisional is not False)  # what is visible does show


def test_root_sees_that_they_differ(companies: Pair) -> None:
    found = [c.profile({"email": "zoe@x.org"}) if c is companies[1] else None for c in companies]
    assert found[1] is not None and found[1].values["last_name"] == "Hush"
