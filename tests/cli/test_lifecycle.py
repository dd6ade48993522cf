"""A crosswalk's life from the command line: decide, plan, apply, roll back, look into its past."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import c360
from federation.cli.app import run
from tests.support.command import Cli
from tests.support.elsewhere import Elsewhere

RULES = "individual:\n    rules: [email, [phone, city]]\n"


@pytest.fixture(scope="module")
def ruled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `c360 init` writes, with two exact rules, resolved."""
    folder = tmp_path_factory.mktemp("ruled") / "project"
    assert run(["init", "-q", str(folder)]) == 0
    file = folder / "c360.yml"
    text = re.sub(r"^identity:\n.*?\n(?=\S|\n)", f"identity:\n  {RULES}", file.read_text(), flags=re.MULTILINE | re.DOTALL)
    assert RULES in text
    file.write_text(text)
    assert run(["resolve", "-q", "--project", str(folder)]) == 0
    return folder


@pytest.fixture
def mine(ruled: Path, tmp_path: Path) -> Path:
    """A copy to change."""
    return shutil.copytree(ruled, tmp_path / "mine")


@pytest.fixture(scope="module")
def other() -> Iterator[Elsewhere]:
    with Elsewhere() as started:
        yield started


def id_of(cli: Cli, project: Path, who: str) -> int:
    return int(json.loads(cli("profile", who, "-o", "json", project=project).out)["id360"])


def test_decide_plan_apply_and_roll_back(cli: Cli, mine: Path) -> None:
    ada, other = id_of(cli, mine, "crm.contact:1"), id_of(cli, mine, "crm.contact:2")
    made = cli("decide", "same", "crm.contact:1", "crm.contact:2", "--reason", "asked her", "--by", "mia", project=mine)
    assert made.code == 0 and "it holds from the next" in made.err
    (line,) = (mine / "decisions.jsonl").read_text().splitlines()
    assert json.loads(line)["a"] == ["crm", "contact", "1"] and json.loads(line)["by"] == "mia"
    said = cli("plan", project=mine)
    assert said.code == 0 and "plan for crosswalk version 2, upon version 1: 9 → 8 ids" in said.out
    assert f"{max(ada, other)}" in said.out and "riskiest merges" in said.out and "by decision (1), decided" in said.out
    assert id_of(cli, mine, "crm.contact:2") == other, "a plan does not serve"
    told = json.loads(cli("plan", "-o", "json", project=mine).out)
    assert (told["changes"]["merged"], told["base"]) == (1, 1)
    applied = cli("apply", project=mine).err
    assert re.search(
        r"version 2 serves: 8 ids, planned \d{4}-\d\d-\d\d \d\d:\d\d UTC \(\d+ s ago\) upon version 1; what came since waits", applied
    )
    assert id_of(cli, mine, "crm.contact:2") == id_of(cli, mine, "crm.contact:1")
    assert id_of(cli, mine, str(ada)) == id_of(cli, mine, str(other)), "any old id finds its profile"
    again = cli("apply", project=mine)
    assert again.code == 1 and "[C360_NO_PLAN]" in again.err
    back = cli("rollback", project=mine).err
    assert "version 3 serves, with the links of version 1" in back and "0 merged, 1 split off" in back
    assert "1 decision is not in force in it, but from the next resolve on" in back
    assert (id_of(cli, mine, "crm.contact:1"), id_of(cli, mine, "crm.contact:2")) == (ada, other)
    shown = cli("crosswalk", "show", max(ada, other), project=mine).out + cli("crosswalk", "show", min(ada, other), project=mine).out
    assert "restored" in shown and "merged into" in shown and "took over" in shown and "crm.contact:1\n" in shown
    assert cli("crosswalk", "as-of", 2, ada, project=mine).out.count("crm.contact") >= 3
    assert "1 merged" in cli("crosswalk", "diff", 1, 2, project=mine).out
    assert "nothing changes" in cli("crosswalk", "diff", 1, 3, project=mine).out


def test_an_old_id_finds_its_profile_through_chains_and_rollbacks(cli: Cli, mine: Path) -> None:
    people = [id_of(cli, mine, f"crm.contact:{k}") for k in (1, 2, 3)]
    for a, b in ((2, 3), (1, 2)):
        cli("decide", "same", f"crm.contact:{a}", f"crm.contact:{b}", "--reason", "one", project=mine)
        assert "1 merged into others, 0 retired" in cli("resolve", project=mine).out, "told once, as `plan` does"
    assert len({id_of(cli, mine, str(i)) for i in people}) == 1
    cli("rollback", project=mine)
    assert len({id_of(cli, mine, str(i)) for i in people}) == 2
    cli("rollback", project=mine)
    assert [id_of(cli, mine, str(i)) for i in people] == people


def test_going_back_to_what_was_the_same_is_told(cli: Cli, mine: Path) -> None:
    cli("resolve", project=mine)
    said = cli("rollback", project=mine).err
    assert "nothing changes: version 1 said of every record what version 2 said; `c360 crosswalk` lists the others" in said
    assert "decision" not in said


def test_different_is_honoured_and_undone(cli: Cli, mine: Path) -> None:
    cli("decide", "different", "crm.contact:1", "shop.customer:C-1001", "--reason", "a namesake", project=mine)
    said = cli("resolve", project=mine)
    assert "says otherwise" in said.out
    assert id_of(cli, mine, "crm.contact:1") != id_of(cli, mine, "shop.customer:C-1001")
    listed = cli("decide", "list", project=mine)
    (number,) = re.findall(
        r"^ +1  ([0-9a-f]{8})  holds +different crm.contact:1 shop.customer:C-1001  · a namesake", listed.out, re.MULTILINE
    )
    assert "withdrawn" in cli("decide", "undo", number, "--reason", "no", project=mine).err
    assert json.loads(cli("decide", "list", "-o", "json", project=mine).out)[0]["state"] == "withdrawn"
    assert cli("resolve", project=mine).code == 0
    assert id_of(cli, mine, "crm.contact:1") == id_of(cli, mine, "shop.customer:C-1001")


def test_the_list_tells_what_the_version_that_serves_says_and_what_waits(cli: Cli, mine: Path) -> None:
    def states() -> list[str]:
        return [entry["state"] for entry in json.loads(cli("decide", "list", "-o", "json", project=mine).out)]

    cli("decide", "same", "crm.contact:1", "crm.contact:2", "--reason", "asked her", project=mine)
    cli("decide", "different", "crm.contact:1", "crm.contact:999", "--reason", "to come", project=mine)
    cli("decide", "pin", "crm.contact:3", id_of(cli, mine, "crm.contact:3"), "--reason", "printed", project=mine)
    assert states() == ["waits", "no record", "holds"]
    listed = cli("decide", "list", project=mine)
    assert re.search(r"^ +1  [0-9a-f]{8}  waits +same crm.contact:1", listed.out, re.MULTILINE)
    assert listed.err == "1 waits for the next `c360 resolve`; `c360 plan` shows what changes\n"
    cli("plan", project=mine)
    assert states()[0] == "waits", "a plan does not serve"
    cli("apply", project=mine)
    assert states() == ["holds", "no record", "holds"] and "wait" not in cli("decide", "list", project=mine).err
    made = json.loads(cli("decide", "list", "-o", "json", project=mine).out)[0]["id"]
    said = cli("why", "crm.contact:1", "crm.contact:2", project=mine).out
    assert "crm.contact:1 – crm.contact:2  by decision\n" in said and "+0.0" not in said
    assert "from the next `c360 resolve` or `c360 plan` on" in cli("decide", "undo", 1, "--reason", "no", project=mine).err
    lingers = f"{made} counts in the version that serves, until the next `c360 resolve`"
    assert lingers in cli("decide", "list", project=mine).err
    cli("rollback", project=mine)
    assert made not in cli("decide", "list", project=mine).err, "the version restored was made without it"
    cli("rollback", "--to", 2, project=mine)
    assert lingers in cli("decide", "list", project=mine).err
    cli("rollback", "--to", 1, project=mine)
    cli("decide", "same", "crm.contact:1", "crm.contact:2", "--reason", "again", project=mine)
    assert states() == ["withdrawn", "no record", "holds", "waits"]
    (mine / ".c360" / "crosswalk" / "current").write_text("v000009.duckdb 7\n")
    assert states() == ["withdrawn", "waits", "waits", "waits"], "a broken crosswalk is no reason to hide what was decided"


def test_a_pin_keeps_an_id(cli: Cli, mine: Path) -> None:
    ada, other = id_of(cli, mine, "crm.contact:1"), id_of(cli, mine, "crm.contact:2")
    for id360 in (ada, other):
        cli("decide", "undo", 1, "--reason", "the other", project=mine)
        (mine / "decisions.jsonl").unlink(missing_ok=True)
        cli("decide", "same", "crm.contact:1", "crm.contact:2", "--reason", "one", project=mine)
        pinned = cli("decide", "pin", "crm.contact:2", id360, "--reason", "printed", project=mine)
        assert pinned.code == 0 and (f"{id360} is the id of 3 other records now" in pinned.err) == (id360 == ada)
        cli("resolve", project=mine)
        assert id_of(cli, mine, "crm.contact:1") == id_of(cli, mine, "crm.contact:2") == id360
        cli("rollback", "--to", 1, project=mine)


def test_a_pin_to_an_id_of_another_entity_or_space_is_refused_before_it_stops_resolves(cli: Cli, tmp_path: Path) -> None:
    for table in ("eu", "us", "firm"):
        (tmp_path / f"{table}.csv").write_text("id,mail\n1,ann@x.example\n")
    individuals = "".join(
        f"  - {{object: individual, source: here, table: {space}, key: id, space: {space}, attributes: {{email: mail}}}}\n"
        for space in ("eu", "us")
    )
    (tmp_path / "c360.yml").write_text(
        "version: 1\nname: places\nsources: {here: {kind: files, path: .}}\nmappings:\n" + individuals + "  - "
        "{object: account, source: here, table: firm, key: id, attributes: {email: mail}}\n"
        "identity: {individual: {rules: [email]}, account: {rules: [email]}}\n"
    )
    assert cli("resolve", project=tmp_path).code == 0
    ids = {row["source_table"]: row["id360"] for row in json.loads(cli("sql", "FROM crosswalk", "-o", "json", project=tmp_path).out)}
    for table, whose in (("us", "individual in us"), ("firm", "account")):
        told = cli("decide", "pin", "here.eu:1", str(ids[table]), "--reason", "printed", project=tmp_path)
        assert told.code == 1 and "[C360_CONTRADICTORY_DECISIONS]" in told.err
        assert f"{ids[table]} is an id of {whose}, and the record is of individual in eu" in told.err
    assert cli("resolve", project=tmp_path).code == 0, "nothing was decided"


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (["decide", "same", "crm.contact:1", "crm.nothing:2", "--reason", "r"], 1, "[C360_DECISION_TABLE]"),
        (["decide", "same", "crm.contact:x", "crm.contact:2", "--reason", "r"], 1, "[C360_KEY_TYPE]"),
        (["decide", "pin", "crm.contact:1", "77", "--reason", "r"], 1, "[C360_UNKNOWN_ID360]"),
        (["decide", "same", "crm.contact:1", "crm.contact:2", "--reason", "r", "--until", "2020-01-01"], 1, "[C360_DECISION_EXPIRED]"),
        (["decide", "undo", "9", "--reason", "r"], 1, "[C360_UNKNOWN_DECISION]"),
        (["decide", "same", "crm.contact:1", "--reason", "r"], 2, "two records"),
        (["decide", "same", "crm.contact:1", "crm.contact:2"], 2, "--reason"),
        (["decide", "same", "contact", "crm.contact:2", "--reason", "r"], 2, "source.table:key"),
        (["apply"], 1, "[C360_NO_PLAN]"),
        (["rollback"], 1, "[C360_NO_SUCH_VERSION]"),
        (["rollback", "--to", "9"], 1, "[C360_NO_SUCH_VERSION]"),
        (["crosswalk", "show", "77"], 1, "[C360_UNKNOWN_ID360]"),
        (["crosswalk", "diff", "1"], 2, "two versions"),
    ],
)
def test_what_cannot_be_is_told(cli: Cli, mine: Path, args: list[str], code: int, said: str) -> None:
    told = cli(*args, project=mine)
    assert told.code == code and said in told.err
    assert not (mine / "decisions.jsonl").exists()


def test_contradictions_and_broken_files_stop_a_resolve(cli: Cli, mine: Path) -> None:
    for a, b in ((1, 2), (2, 3)):
        cli("decide", "same", f"crm.contact:{a}", f"crm.contact:{b}", "--reason", "r", project=mine)
    told = cli("decide", "different", "crm.contact:1", "crm.contact:3", "--reason", "r", project=mine)
    assert told.code == 1 and "[C360_CONTRADICTORY_DECISIONS]" in told.err and "crm.contact:2" in told.err
    file = mine / "decisions.jsonl"
    file.write_text(file.read_text() + "<<<<<<< ours\n")
    for command in ("resolve", "plan", "decide list"):
        told = cli(*command.split(), project=mine)
        assert told.code == 1 and "[C360_DECISIONS_FILE] decisions.jsonl:3" in told.err


def test_a_file_that_a_merge_made_contradictory_is_listed_and_mended(cli: Cli, mine: Path) -> None:
    cli("decide", "same", "crm.contact:1", "crm.contact:2", "--reason", "r", project=mine)
    file = mine / "decisions.jsonl"
    line = json.loads(file.read_text())
    other = {**line, "verdict": "different", "id": "0ddba11e"}
    file.write_text(file.read_text() + json.dumps(other) + "\n")
    assert "[C360_CONTRADICTORY_DECISIONS]" in cli("resolve", project=mine).err
    listed = cli("decide", "list", project=mine)
    assert listed.code == 0 and "0ddba11e" in listed.out and line["id"] in listed.out and "[C360_CONTRADICTORY_DECISIONS]" in listed.err
    undone = cli("decide", "undo", "0ddba11e", "--reason", "not so", project=mine)
    assert undone.code == 0 and "C360_CONTRADICTORY" not in undone.err
    assert cli("resolve", project=mine).code == 0


def test_what_is_decided_already_is_not_added_and_records_that_are_not_there_are_told(cli: Cli, mine: Path) -> None:
    same = ("decide", "same", "crm.contact:1", "crm.contact:2", "--reason", "r")
    assert "already" not in cli(*same, project=mine).err
    before = (mine / "decisions.jsonl").read_text()
    again = cli("decide", "same", "crm.contact:2", "crm.contact:1", "--reason", "once more", project=mine)
    assert again.code == 0 and "decided already" in again.err and "no record" not in again.err
    assert (mine / "decisions.jsonl").read_text() == before
    until = cli(*same, "--until", "2999-01-01", project=mine)
    assert "already" not in until.err and "which held for ever; this one holds until 2999-01-01 00:00 UTC" in until.err
    assert "decided already" in cli(*same, "--until", "2999-01-01", project=mine).err
    listed = cli("decide", "list", project=mine).lines
    assert [line.split()[2] for line in listed] == ["withdrawn", "waits"], "the other moment replaces the former"
    assert "which held until 2999" in cli(*same, project=mine).err and cli("resolve", project=mine).code == 0
    waits = cli("decide", "different", "crm.contact:1", "crm.contact:999", "--reason", "r", project=mine)
    assert waits.code == 0 and "decided: " in waits.err and "no record crm.contact:999 in the crosswalk yet" in waits.err
    assert "no record crm.contact:1 " not in waits.err


def test_from_python(mine: Path) -> None:
    with c360.connect(mine) as project:
        made = project.decide("same", ("crm", "contact", 1), ("crm", "contact", 2), reason="asked", by="mia")
        assert project.plan().changes.merged == 1 and project.apply().version == 2
        assert project.session().profile(("crm", "contact", 1)).id360 == project.session().profile(("crm", "contact", 2)).id360
        assert made.by == "mia" and project.rollback().restores == 1


def test_the_decisions_lie_where_the_project_says(cli: Cli, mine: Path) -> None:
    file = mine / "c360.yml"
    file.write_text(re.sub(r"^identity:\n", "identity:\n  decisions: stewards/said.jsonl\n", file.read_text(), flags=re.MULTILINE))
    (mine / "stewards").mkdir()
    assert cli("decide", "same", "crm.contact:1", "crm.contact:2", "--reason", "r", project=mine).code == 0
    assert (mine / "stewards" / "said.jsonl").is_file()
    shutil.rmtree(mine / "stewards")
    said = cli("decide", "same", "crm.contact:1", "crm.contact:2", "--reason", "r", project=mine)
    assert said.code == 1 and "[C360_FILE_UNWRITABLE]" in said.err and f"there is no folder `{mine / 'stewards'}`" in said.err


def test_a_disk_that_takes_no_more_is_told_as_such_and_what_served_serves_on(cli: Cli, mine: Path, other: Elsewhere) -> None:
    def limited(size: int, *words: str) -> str:
        """What the command says where no file may grow beyond `size` bytes."""
        done = other("--project", mine, *words, size=size)
        assert done.code == 1, done.err
        return done.err

    before, ada = sorted((mine / ".c360" / "crosswalk").iterdir()), id_of(cli, mine, "crm.contact:1")
    for command in ("resolve", "plan"):
        assert "[C360_CROSSWALK_UNWRITABLE]" in (said := limited(200_000, command))
        assert "File too large; what served before serves on" in said
    assert sorted((mine / ".c360" / "crosswalk").iterdir()) == before
    assert "[C360_FILE_UNWRITABLE]" in limited(0, "decide", "same", "crm.contact:1", "crm.contact:2", "--reason", "asked her")
    assert id_of(cli, mine, "crm.contact:1") == ada
    assert cli("resolve", project=mine).code == 0
    (mine.parent / "elsewhere").symlink_to(shutil.move(mine / ".c360", mine.parent / "state"))
    file = mine / "c360.yml"
    for state in ("../state", "../elsewhere"):
        file.write_text(re.sub(r"^name:.*\n(state:.*\n)?", f"name: shop\nstate: {state}\n", file.read_text(), flags=re.MULTILINE))
        assert id_of(cli, mine, "crm.contact:1") == ada
        assert f"the crosswalk in {mine.parent / 'state' / 'crosswalk'} cannot be written: File too large" in limited(200_000, "resolve")


def test_a_state_that_another_user_owns_is_told_as_such(mine: Path) -> None:
    """Without the rights of root, also where the tests run as root."""
    if os.geteuid() == 0 and shutil.which("setpriv") is None:
        pytest.skip("root may read everything, and there is no setpriv")
    plainly = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
    state = mine / ".c360" / "crosswalk"
    state.chmod(0)
    try:
        with Elsewhere(*plainly) as plain:
            for command, code in (
                (["sql", "SELECT count(*) FROM individual"], "C360_FILE_FORBIDDEN"),
                (["crosswalk"], "C360_FILE_FORBIDDEN"),
                (["decide", "list"], "C360_FILE_FORBIDDEN"),
                (["resolve"], "C360_FILE_FORBIDDEN"),
            ):
                done = plain("-q", "-p", mine, *command)
                assert done.code == 1 and f"[{code}]" in done.err and str(state) in done.err, done.err
    finally:
        state.chmod(0o700)


def test_as_many_versions_stay_as_the_project_says(cli: Cli, mine: Path) -> None:
    file = mine / "c360.yml"
    file.write_text(file.read_text().replace(f"identity:\n  {RULES}", f"identity:\n  keep_versions: 2\n  {RULES}"))
    for _ in range(3):
        assert cli("resolve", project=mine).code == 0
    assert sorted(path.name for path in (mine / ".c360" / "crosswalk").glob("v*.duckdb")) == ["v000003.duckdb", "v000004.duckdb"]
    file.write_text(file.read_text().replace("keep_versions: 2", "keep_versions: 0"))
    assert "use a whole number from 1 on" in cli("resolve", project=mine).err
