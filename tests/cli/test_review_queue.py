"""`c360 review` on a real project: the commands that it prints settle what it shows."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from pathlib import Path

from people_project import people_project, values

from federation.cli.review_command import lines
from identity.stewardship.between import Votes
from identity.stewardship.review import Item
from tests.support.command import Cli


def test_the_commands_it_prints_settle_it(cli: Cli, tmp_path: Path) -> None:
    rows = people_project(tmp_path, 300, doubtful=True)
    assert cli("resolve", project=tmp_path).code == 0
    told = cli("review", "-o", "json", project=tmp_path)
    found = json.loads(told.out)
    assert found and [i["weight"] for i in found] == sorted((i["weight"] for i in found), reverse=True)
    assert not [value for value in values(rows) if value in told.out.lower().encode()]
    pair = next(item for item in found if item["decide"])
    assert f"{pair['a']} – {pair['b']}" in cli("review", project=tmp_path).out
    command = shlex.split(pair["decide"][1].replace("…", "asked them"))
    assert command[:2] == ["c360", "decide"] and cli(*command[1:], project=tmp_path).code == 0
    left = json.loads(cli("review", "-o", "json", project=tmp_path).out)
    assert (pair["a"], pair["b"]) not in [(i["a"], i["b"]) for i in left] and len(left) == len(found) - 1
    assert cli("resolve", project=tmp_path).code == 0
    assert (pair["a"], pair["b"]) not in [(i["a"], i["b"]) for i in json.loads(cli("review", "-o", "json", project=tmp_path).out)]


def test_without_a_crosswalk(cli: Cli, tmp_path: Path) -> None:
    people_project(tmp_path)
    assert "[C360_NO_CROSSWALK]" in cli("review", project=tmp_path).err


def test_a_percentage_over_several_pairs_says_so() -> None:
    item = Item("refused merge", "individual", "", 5, 0.5, 0.4, "crm.contact:1", "crm.contact:2", (1, 2), "", (), "", (), (), 6, 0.98)
    assert lines(1, item)[0] == (
        "  1  refused merge 40% by the mean of the 6 pairs between the two; this one alone says 98%: crm.contact:1 – crm.contact:2"
    )
    alone = Item("near match", "individual", "", 2, 0.5, 0.4, "crm.contact:1", "crm.contact:2", (1, 2), "", (), of_pair=0.4)
    assert lines(1, alone)[0] == "  1  near match 40%: crm.contact:1 – crm.contact:2"
    other = replace(item, posterior=0.4, votes=Votes(1, 3, 2, 5.6, -7.0), detail="5 records would be one; …")
    assert lines(1, other)[0] == "  1  refused merge 98% by this pair alone: crm.contact:1 – crm.contact:2", "not a mean that may deny it"
    assert lines(1, replace(other, of_pair=None))[0] == "  1  refused merge: crm.contact:1 – crm.contact:2", "a rule asked for it"
