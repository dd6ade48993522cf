"""`c360 why` on a real project: what is kept, what is compared live, and that no value of anybody is shown or kept."""

from __future__ import annotations

import json
import re
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
from people_project import people_project, values

import c360
from federation.cli.app import run
from identity.evidence.live_comparison import _WORDS
from identity.evidence.why import Why
from tests.support.command import Cli


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    return people_project(tmp_path_factory.getbasetemp() / "why")


@pytest.fixture(scope="module")
def people(rows: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.getbasetemp() / "why"
    assert run(["resolve", "-q", "--project", str(folder)]) == 0
    return folder


def test_two_records_of_one_person(cli: Cli, people: Path) -> None:
    said = cli("why", "crm.contact:7", "shop.customer:C-7", project=people)
    assert said.code == 0 and "crm.contact:7 and shop.customer:C-7 are one person" in said.out
    assert "birth date: same" in said.out and "█" in said.out and "together" in said.out


def test_what_says_nothing_either_way_takes_no_line_of_its_own(cli: Cli, people: Path, tmp_path: Path) -> None:
    page = tmp_path / "why.html"
    said = cli("why", "crm.contact:7", "shop.customer:C-7", "--html", page, project=people).out
    shown = re.findall(r"^  (.+?) +([+-]\d+\.\d)  ", said, re.MULTILINE)
    *steps, (last, odds) = shown
    assert last == "together" and len(steps) > 3 and all(abs(float(bits)) >= 0.05 for _, bits in steps)
    assert sum(float(bits) for _, bits in steps) == pytest.approx(float(odds), abs=0.05 * len(shown)), "as a reader adds them up"
    assert "\n  nothing either way: generation: missing\n" in said and "Nothing either way: " in page.read_text()


def test_the_bars_of_the_json_add_up(cli: Cli, people: Path) -> None:
    told = json.loads(cli("why", "crm.contact:7", "shop.customer:C-7", "-o", "json", project=people).out)
    fall = told["direct"]["waterfall"]
    assert told["id360_a"] == told["id360_b"] and told["direct"]["proposed"] == ["every pair"]
    assert fall["prior"] + sum(bar["bits"] for bar in fall["bars"]) + fall["household"] == pytest.approx(fall["odds"], abs=1e-3)
    assert fall["posterior"] > 0.9


def test_two_strangers_are_read_and_compared_live(cli: Cli, people: Path) -> None:
    told = json.loads(cli("why", "crm.contact:7", "shop.customer:C-8", "-o", "json", project=people).out)
    assert told["direct"]["live"] and told["direct"]["waterfall"]["odds"] < -10 and not told["path"]
    said = cli("why", "crm.contact:7", "crm.contact:8", project=people).out
    assert "are two people" in said and "read and compared just now" in said


def test_a_live_comparison_gives_what_the_resolve_gave(people: Path) -> None:
    """Held against the pairs that are kept."""
    from federation import explaining
    from federation.deciding import mappings_of
    from federation.state import serving

    with c360.connect(people) as project:
        evidence = explaining.evidence_of(serving(project), "individual", "")
        for n in range(1, 12):
            a, b = ("crm", "contact", str(n)), ("shop", "customer", f"C-{n}")
            kept = explaining.why_records(project, a, b).direct
            one, two = evidence.find("crm", "contact", [n]), evidence.find("shop", "customer", [f"C-{n}"])
            live = explaining._live(project, evidence, mappings_of(project, [a, b]), (one, two))
            assert kept and kept.waterfall and live and live.waterfall and not kept.live
            assert live.waterfall.bars == kept.waterfall.bars
            assert live.waterfall.odds == pytest.approx(kept.waterfall.odds, abs=0.01)


def test_how_a_person_hangs_together(cli: Cli, people: Path) -> None:
    told = json.loads(cli("why", "crm.contact:7", "shop.customer:C-7", "-o", "json", project=people).out)
    said = cli("why", told["id360_a"], project=people)
    assert said.code == 0 and "2 records" in said.out and "what holds them together" in said.out
    assert "[C360_UNKNOWN_ID360]" in cli("why", 1, project=people).err


def test_what_a_steward_decided_is_shown(cli: Cli, tmp_path: Path) -> None:
    people_project(tmp_path)
    assert cli("resolve", project=tmp_path).code == 0
    twins = ("crm.contact:7", "shop.customer:C-7", "--reason", "twins", "--by", "mia", "--until", "2999-01-01")
    cli("decide", "different", *twins, project=tmp_path)
    assert "; it waits for the next resolve\n" in cli("why", "crm.contact:7", "shop.customer:C-7", project=tmp_path).out
    assert cli("resolve", project=tmp_path).code == 0
    said = cli("why", "crm.contact:7", "shop.customer:C-7", project=tmp_path).out
    assert "are two people" in said and "different crm.contact:7 shop.customer:C-7 until 2999-01-01 · twins (mia" in said
    assert "waits" not in said
    cli("decide", "same", "crm.contact:150", "crm.contact:151", "--reason", "asked her", "--by", "mia", project=tmp_path)
    assert cli("resolve", project=tmp_path).code == 0
    said = cli("why", "crm.contact:150", "crm.contact:151", project=tmp_path).out
    assert "are one person" in said and "by decision" in said and "asked her" in said


def test_a_decision_on_personal_keys_is_shown_by_its_hash(cli: Cli, tmp_path: Path) -> None:
    rows = people_project(tmp_path)
    file = tmp_path / "c360.yml"
    file.write_text(file.read_text().replace("key: no,", "key: email,"))
    assert "keys are personal (" in cli("resolve", project=tmp_path).out
    pair = ("crm.contact:7", f"shop.customer:{rows[6]['email']}")
    cli("decide", "different", *pair, "--reason", "twins", project=tmp_path)
    for asked in (pair, (json.loads(cli("why", *pair, "-o", "json", project=tmp_path).out)["id360_a"],)):
        said = cli("why", *asked, project=tmp_path).out
        assert "different crm.contact:7 shop.customer:#" in said and "twins" in said and said.endswith("it waits for the next resolve\n")


def test_two_ids_are_explained_by_the_pair_that_speaks_most_for_one_person(cli: Cli, tmp_path: Path) -> None:
    people_project(tmp_path, 900, doubtful=True)
    assert cli("resolve", project=tmp_path).code == 0
    item = json.loads(cli("review", "--kind", "near-match", "-o", "json", project=tmp_path).out)[0]
    said = cli("why", *item["ids"], project=tmp_path)
    assert said.code == 0 and said.out == cli("why", item["a"], item["b"], project=tmp_path).out
    cli("decide", "same", item["a"], item["b"], "--reason", "asked", project=tmp_path)
    assert cli("resolve", project=tmp_path).code == 0
    assert "what holds them together" in cli("why", *item["ids"], project=tmp_path).out, "one of them leads to the other by now"
    strangers = [cli("why", f"crm.contact:{n}", "-o", "json", project=tmp_path).code for n in (1, 2)]
    assert strangers == [2, 2] and cli("why", item["ids"][0], "crm.contact:1", project=tmp_path).code == 2
    assert "[C360_UNKNOWN_ID360]" in cli("why", item["ids"][0], 1, project=tmp_path).err
    with c360.connect(tmp_path) as project:
        one, other = (project.session().profile(("crm", "contact", n)).id360 for n in (8, 9))
        assert one is not None and other is not None
        told = project.why(one, other)
        assert isinstance(told, Why) and told.direct is not None and told.direct.live, "nothing was kept: two of them are compared now"


def test_a_page_is_one_file_without_network(cli: Cli, people: Path, tmp_path: Path) -> None:
    page = tmp_path / "why.html"
    assert cli("why", "crm.contact:7", "shop.customer:C-7", "--html", page, project=people).code == 0
    text = page.read_text(encoding="utf-8")
    assert "<svg" in text and "birth date: same" in text and "http" not in text and "<script" not in text
    assert page.stat().st_mode & 0o077 == 0


def test_wrong_usage_and_unknown_records(cli: Cli, people: Path) -> None:
    assert cli("why", "nonsense", project=people).code == 2
    assert "[C360_UNKNOWN_RECORD]" in cli("why", "crm.contact:7", "crm.contact:9999", project=people).err
    assert "[C360_DECISION_TABLE]" in cli("why", "crm.contact:7", "crm.other:1", project=people).err
    assert cli("why", "crm.contact:7", "crm.contact:7", project=people).code == 0


def test_values_are_shown_beside_each_other_when_they_are_asked_for(cli: Cli, people: Path, rows: list[dict[str, Any]]) -> None:
    for asked in (("crm.contact:7", "shop.customer:C-7"), ("crm.contact:7", "crm.contact:8")):
        said = cli("why", *asked, "--values", project=people)
        assert said.code == 0 and said.out.startswith("live: = same") and " are " in said.out
        assert [value for value in values(rows) if value in said.out.lower().encode()]
    person = re.search(r"are one person: (\d+)", cli("why", "crm.contact:7", "shop.customer:C-7", project=people).out)
    assert person and "birth_date" in cli("why", person[1], "--values", project=people).out
    assert cli("why", person[1], "--values", "-o", "json", project=people).code == 2


def test_a_policy_hides_values_that_are_asked_for(cli: Cli, people: Path, tmp_path: Path) -> None:
    shutil.copytree(people, tmp_path, dirs_exist_ok=True)
    with (tmp_path / "c360.yml").open("a") as file:
        file.write("policies:\n  - {name: no-mail, objects: [individual], mask: {email: null}}\n")
    said = cli("why", "crm.contact:7", "shop.customer:C-7", "--values", project=tmp_path)
    assert said.code == 0 and "birth_date" in said.out and "@" not in said.out


def test_what_rules_lack_is_said_in_words(cli: Cli, people: Path) -> None:
    page = json.loads(cli("why", "crm.contact:7", "crm.contact:8", "-o", "json", project=people).out)
    named = {name for rule in page["direct"]["unmet"] for name in (*rule["differ"], *rule["lack"])}
    assert not named & set(_WORDS)


def test_exact_rules_say_which_part_differs(cli: Cli, tmp_path: Path) -> None:
    people_project(tmp_path, how="rules: [email, phone]")
    assert cli("resolve", project=tmp_path).code == 0
    said = cli("why", "crm.contact:7", "shop.customer:C-7", project=tmp_path).out
    assert "are one person" in said and "email: same, on 2 records" in said
    said = cli("why", "crm.contact:7", "crm.contact:8", project=tmp_path).out
    assert "are two people" in said and "email: other email" in said and "phone: other phone" in said


def test_stored_pairs_are_explained_at_once(people: Path) -> None:
    with c360.connect(people) as project:
        a, b = ("crm", "contact", 7), ("shop", "customer", "C-7")
        project.why(a, b)
        took = []
        for _ in range(20):
            started = time.perf_counter()
            project.why(a, b)
            took.append(time.perf_counter() - started)
    assert min(took) < 0.02


def test_no_value_of_anybody_is_told_or_kept(cli: Cli, people: Path, rows: list[dict[str, Any]], tmp_path: Path) -> None:
    page, told = tmp_path / "why.html", ""
    for pair in (("crm.contact:7", "shop.customer:C-7"), ("crm.contact:7", "crm.contact:8"), ("crm.contact:102", "shop.customer:C-68")):
        told += cli("why", *pair, project=people).out + cli("why", *pair, "-o", "json", "--html", page, project=people).out
        told += page.read_text(encoding="utf-8")
    kept = b"".join(path.read_bytes() for path in (people / ".c360").rglob("*") if path.is_file())
    held = kept.lower() + told.lower().encode()
    assert b"birth date" in held
    assert not [value for value in values(rows) if value in held]
