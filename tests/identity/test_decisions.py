"""What stewards decide: kept as text, honoured by every resolve, refused where it contradicts itself."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from records import RULES, SECRET, record_set

from identity.errors import ContradictoryDecisions, DecisionsFile, DecisionTable, UnknownDecision
from identity.report import ResolveReport
from identity.resolve import resolve
from identity.stewardship.binding import key_hash
from identity.stewardship.contradictions import contradiction
from identity.stewardship.decision_log import appending, decide, read_decisions, withdraw
from identity.stewardship.decisions import DIFFERENT, PIN, SAME, Decision, RecordName
from identity.versions.store import CrosswalkStore

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ROWS = [
    {"k0": 1, "email": "a@x.de", "phone": None},
    {"k0": 2, "email": "a@x.de", "phone": None},
    {"k0": 3, "email": "b@x.de", "phone": None},
    {"k0": 4, "email": "c@x.de", "phone": None},
]


@pytest.fixture
def store(tmp_path: Path) -> CrosswalkStore:
    return CrosswalkStore(tmp_path / "crosswalk")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "decisions.jsonl"


def named(key: str, source: str = "crm") -> RecordName:
    return RecordName(source, "contact", tuple(key.split(",")))


def entry(verdict: str, a: str, b: str | int, until: datetime | None = None) -> Decision:
    id360 = b if isinstance(b, int) else None
    return Decision(verdict, "individual", "", named(a), named(b) if isinstance(b, str) else None, id360, "why", "mia", NOW, until)


def run(store: CrosswalkStore, file: Path, rows: list[dict[str, Any]] | None = None) -> tuple[dict[int, int], ResolveReport]:
    """key → id360 after a resolve by the decisions of the file."""
    report = resolve([record_set(rows or ROWS)], RULES, store, SECRET, decisions=read_decisions(file).active())
    crosswalk = store.current()
    assert crosswalk
    return dict(crosswalk.reader.execute(f"SELECT k0, id360 FROM xw.{crosswalk.links[0].name}").fetchall()), report


def test_the_file_is_read_as_it_was_written(file: Path) -> None:
    assert read_decisions(file).entries == ()
    until = NOW + timedelta(days=400)
    given = [entry(SAME, "1", "3", until), entry(DIFFERENT, "1,x", "2,ä 'y'"), entry(PIN, "4", 123456789012345)]
    made = tuple(decide(file, one) for one in given)
    assert read_decisions(file).entries == made
    assert [d.id for d in made if len(d.id) == 8] == [d.id for d in made] and len({d.id for d in made}) == 3
    assert [json.loads(line)["verdict"] for line in file.read_text().splitlines()] == [SAME, DIFFERENT, PIN]


def test_decisions_are_withdrawn_and_expire_but_stay_in_the_file(file: Path) -> None:
    first, second = decide(file, entry(SAME, "1", "3")), decide(file, entry(SAME, "1", "4", NOW + timedelta(days=1)))
    before = file.read_text()
    assert [d.id for d in read_decisions(file).active(NOW)] == [first.id, second.id]
    assert [d.id for d in read_decisions(file).active(NOW + timedelta(days=1))] == [first.id]
    assert withdraw(file, "1", reason="no", by="mia") == first
    found = read_decisions(file)
    assert [d.id for d in found.active(NOW)] == [second.id] and len(found.entries) == 2 and file.read_text().startswith(before)
    for which in (first.id, "99", "nonsense"):
        with pytest.raises(UnknownDecision):
            withdraw(file, which, reason="no", by="mia")
    again = decide(file, entry(SAME, "1", "3"))
    assert again.id != first.id and again in read_decisions(file).active(NOW)


def test_another_moment_is_one_line_so_that_no_crash_leaves_half_of_it(file: Path) -> None:
    first, other = decide(file, entry(SAME, "1", "3")), decide(file, entry(SAME, "1", "4"))
    before = file.read_text()
    later = decide(file, entry(SAME, "3", "1", NOW + timedelta(days=400)))
    assert file.read_text().startswith(before) and len(file.read_text().splitlines()) == 3
    found = read_decisions(file)
    assert found.active(NOW) == (other, later) and found.withdrawn == {first.id}
    assert decide(file, entry(SAME, "1", "3", NOW + timedelta(days=400))) == later, "said already"
    withdraw(file, later.id, reason="no", by="mia")
    assert read_decisions(file).active(NOW) == (other,), "what was replaced does not come back"
    file.write_text("".join(line + "\n" for line in file.read_text().splitlines()[1:]))
    with pytest.raises(DecisionsFile, match=first.id):
        read_decisions(file)


def test_a_line_without_its_end_is_not_joined_with_the_next(file: Path) -> None:
    decide(file, entry(SAME, "1", "3"))
    file.write_text(file.read_text().rstrip("\n"))
    decide(file, entry(SAME, "1", "4"))
    assert len(read_decisions(file).entries) == 2


DECIDE = """
import sys
from datetime import UTC, datetime
from identity.stewardship.decision_log import decide
from identity.stewardship.decisions import Decision, RecordName
a, b = (RecordName("crm", "contact", (key,)) for key in sys.argv[3:])
decide(sys.argv[1], Decision(sys.argv[2], "individual", "", a, b, None, "told", "ida", datetime.now(UTC), None))
"""


def decider(file: Path, verdict: str, a: str, b: str) -> list[str]:
    """A process of its own that decides."""
    return [sys.executable, "-c", DECIDE, str(file), verdict, a, b]


def test_of_a_line_for_which_the_disk_has_no_room_nothing_is_left(file: Path) -> None:
    decide(file, entry(SAME, "1", "3"))
    before = file.read_bytes()
    room = len(before) + 20

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))

    done = subprocess.run(decider(file, SAME, "1", "4"), preexec_fn=limit, capture_output=True, text=True)
    assert done.returncode == 1 and f"File too large: '{file}'" in done.stderr
    assert file.read_bytes() == before, "with half a line nobody could read the file"


def test_two_processes_do_not_decide_what_cannot_hold_together(file: Path) -> None:
    with appending(file) as append:
        other = subprocess.Popen(decider(file, DIFFERENT, "1", "3"), stderr=subprocess.PIPE, text=True)
        with pytest.raises(subprocess.TimeoutExpired):
            other.wait(2)
        append(GOOD | {"a": ["crm", "contact", "1"], "b": ["crm", "contact", "3"]})
    _, told = other.communicate(timeout=60)
    assert other.returncode == 1 and "C360_CONTRADICTORY_DECISIONS" in told
    assert len(read_decisions(file).entries) == 1


def test_a_merge_of_two_branches_may_hold_a_line_twice(file: Path) -> None:
    decide(file, entry(SAME, "1", "3"))
    file.write_text(file.read_text() * 2)
    assert len(read_decisions(file).entries) == 1


GOOD = {
    "verdict": "same",
    "entity": "individual",
    "a": ["crm", "t", "1"],
    "b": ["crm", "t", "2"],
    "reason": "r",
    "by": "m",
    "at": "2026-01-01",
    "id": "x",
}


@pytest.mark.parametrize(
    "line",
    [
        "<<<<<<< HEAD", "[]", "{}", "7", '{"verdict": "withdraw", "of": "gone"}',
        *(json.dumps(GOOD | change) for change in (
            {"verdict": "maybe"}, {"b": ["crm", "t", "1"]}, {"a": ["crm", "t"]}, {"a": ["crm", "t", 1]}, {"a": "crm.t:1"}, {"b": None},
            {"at": "soon"}, {"until": "never"}, {"verdict": "pin"}, {"verdict": "pin", "id360": "7"}, {"verdict": "pin", "id360": -1},
            {"entity": 1}, {"reason": ""}, {"a": ["crm", "t", {"hmac": 1}]},
            {"replaces": "x"}, {"replaces": [1]}, {"replaces": ["y"], "id": "y"},
        )),
    ],
)  # fmt: skip
def test_a_line_that_is_none_is_told_with_its_number(file: Path, line: str) -> None:
    file.write_text(json.dumps(GOOD) + "\n\n" + line + "\n")
    with pytest.raises(DecisionsFile) as error:
        read_decisions(file)
    assert "decisions.jsonl:3 " in str(error.value) or "gone" in str(error.value)
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(DecisionsFile):
        read_decisions(file)


def test_what_contradicts_is_named_and_not_written(file: Path) -> None:
    one, two = decide(file, entry(SAME, "1", "2")), decide(file, entry(SAME, "3", "2"))
    decide(file, entry(DIFFERENT, "1", "4"))
    before = file.read_text()
    with pytest.raises(ContradictoryDecisions) as error:
        decide(file, entry(DIFFERENT, "1", "3"))
    assert one.id in str(error.value) and two.id in str(error.value) and "different crm.contact:1 crm.contact:3" in str(error.value)
    decide_pin = entry(PIN, "1", 10**14)
    with pytest.raises(ContradictoryDecisions):
        decide(file, entry(SAME, "3", "4"))
    assert file.read_text() == before
    decide(file, decide_pin)
    with pytest.raises(ContradictoryDecisions, match="pin"):
        decide(file, entry(PIN, "3", 10**14 + 1))
    with pytest.raises(ContradictoryDecisions):
        decide(file, entry(PIN, "4", 10**14))
    withdraw(file, two.id, reason="no", by="mia")
    decide(file, entry(PIN, "3", 10**14 + 1))


def test_a_file_that_contradicts_itself_is_refused_before_anything_is_read(store: CrosswalkStore, file: Path) -> None:
    """As a merge of two branches can make it."""
    for a, b in (("1", "2"), ("2", "3")):
        decide(file, entry(SAME, a, b))
    other = file.with_name("other.jsonl")
    decide(other, entry(DIFFERENT, "1", "3"))
    file.write_text(file.read_text() + other.read_text())
    with pytest.raises(ContradictoryDecisions):
        read_decisions(file)
    assert store.current() is None


def test_two_spellings_of_one_key_contradict_when_they_meet(store: CrosswalkStore, file: Path) -> None:
    decide(file, entry(SAME, "1", "3"))
    decide(file, entry(DIFFERENT, "01", "3"))
    with pytest.raises(ContradictoryDecisions):
        run(store, file)
    assert store.current() is None


names = st.integers(0, 6).map(str)
ids = st.integers(10**14, 10**14 + 2)
entries = st.one_of(
    st.tuples(st.sampled_from([SAME, DIFFERENT]), names, names).filter(lambda t: t[1] != t[2]), st.tuples(st.just(PIN), names, ids)
)


@settings(max_examples=200, deadline=None)
@given(st.lists(entries, max_size=9))
def test_contradictions_are_found_exactly(given: list[tuple[str, str, Any]]) -> None:
    """Against colouring by brute force: the same sets of records, then every `different` and every pin."""
    parent = {str(k): str(k) for k in range(7)}

    def root(x: str) -> str:
        while parent[x] != x:
            x = parent[x]
        return x

    pins: dict[int, str] = {}
    for verdict, a, b in given:
        if verdict == SAME:
            parent[root(a)] = root(b)
        elif verdict == PIN:
            parent[root(a)] = root(pins.setdefault(b, a))
    clash = any(v == DIFFERENT and root(a) == root(b) for v, a, b in given)
    clash |= any(root(pins[x]) == root(pins[y]) for x in pins for y in pins if x != y)
    found = contradiction([entry(*one) for one in given], lambda _, record: record)
    assert bool(found) == clash
    assert not found or contradiction(found, lambda _, record: record), "those named contradict each other by themselves"


def test_same_joins_and_different_parts(store: CrosswalkStore, file: Path) -> None:
    before, report = run(store, file)
    assert before[1] == before[2] and report.contradicted == ()
    joined, parted = decide(file, entry(SAME, "3", "4")), decide(file, entry(DIFFERENT, "1", "2"))
    ids, report = run(store, file)
    assert ids[3] == ids[4] == min(before[3], before[4]) and ids[1] == before[1] != ids[2], "of two as old and large the smaller id stays"
    assert [(c.decision, c.rule, c.times) for c in report.contradicted] == [(parted.id, "email", 1)]
    assert run(store, file)[0] == ids, "for ever"
    for one in (joined, parted):
        withdraw(file, one.id, reason="no", by="mia")
    ids, _ = run(store, file)
    assert ids[1] == ids[2] and ids[3] != ids[4]


def test_a_decision_on_a_record_that_is_gone_is_kept_and_ignored(store: CrosswalkStore, file: Path) -> None:
    made = [decide(file, entry(SAME, "3", "99")), decide(file, entry(DIFFERENT, "1", "x")), decide(file, entry(PIN, "98", 10**14))]
    ids, report = run(store, file)
    assert ids[1] == ids[2] and set(report.ignored_decisions) == {d.id for d in made}
    ids, report = run(store, file, [*ROWS, {"k0": 99, "email": None, "phone": None}])
    assert ids[99] == ids[3] and made[0].id not in report.ignored_decisions


def test_a_pin_moves_an_id_restores_one_and_adopts_one(store: CrosswalkStore, file: Path) -> None:
    before, _ = run(store, file)
    rows = [dict(row) for row in ROWS]
    rows[1]["email"] = "z@x.de"  # 2 leaves, and the tie goes to 1
    split, _ = run(store, file, rows)
    assert split[1] == before[1] != split[2]
    pin = decide(file, entry(PIN, "2", before[1]))
    ids, report = run(store, file, rows)
    assert ids[2] == before[1] != ids[1] and ids[1] not in before.values()
    crosswalk = store.current()
    assert crosswalk and crosswalk.canonical(split[2]) == before[1], "the id that gave way leads to the one that stands"
    withdraw(file, pin.id, reason="no", by="mia")
    decide(file, entry(PIN, "2", split[2]))
    ids, report = run(store, file, rows)
    assert ids[2] == split[2], "an id of the past comes back"
    crosswalk = store.current()
    assert crosswalk and crosswalk.canonical(split[2]) == split[2] and report.minted == 0
    decide(file, entry(PIN, "4", 10**14 + 5))
    ids, _ = run(store, file, rows)
    assert ids[4] == 10**14 + 5
    decide(file, entry(SAME, "3", "4"))
    assert run(store, file, rows)[0][3] == 10**14 + 5


def test_pins_keep_their_records_apart(store: CrosswalkStore, file: Path) -> None:
    decide(file, entry(PIN, "1", 10**14 + 1))
    decide(file, entry(PIN, "2", 10**14 + 2))
    ids, report = run(store, file)
    assert (ids[1], ids[2]) == (10**14 + 1, 10**14 + 2) and report.contradicted[0].rule == "email"


def test_an_id_of_another_entity_cannot_be_pinned(store: CrosswalkStore, file: Path) -> None:
    def records() -> list[Any]:
        return [record_set(ROWS), record_set(ROWS, entity="account")]

    rules = {**RULES, "account": RULES["individual"]}
    resolve(records(), rules, store, SECRET)
    crosswalk = store.current()
    assert crosswalk
    account = crosswalk.link_of("account", "", "crm", "contact")
    assert account
    ((id360,),) = crosswalk.reader.execute(f"SELECT id360 FROM xw.{account.name} WHERE k0 = 3").fetchall()
    decide(file, entry(PIN, "3", id360))
    with pytest.raises(ContradictoryDecisions, match="an id of account"):
        resolve(records(), rules, store, SECRET, decisions=read_decisions(file).active())


def test_a_personal_key_is_written_as_a_keyed_hash(store: CrosswalkStore, file: Path) -> None:
    rows = [{"k0": f"ä{k}@x.de"} for k in range(4)]
    records = [record_set(rows, key=[("mail", "VARCHAR")])]
    names = [RecordName("crm", "contact", (key_hash(SECRET, "crm", "contact", (f"ä{k}@x.de",)),), hashed=True) for k in (1, 3)]
    decide(file, Decision(SAME, "individual", "", *names, None, "why", "mia", NOW, None))
    assert "x.de" not in file.read_text()
    report = resolve(records, RULES, store, SECRET, decisions=read_decisions(file).active())
    assert (report.ids, report.ignored_decisions) == (3, ())
    report = resolve(records, RULES, store, SECRET + b"!", decisions=read_decisions(file).active())
    assert len(report.ignored_decisions) == 1, "under another secret the hash is of nobody"


@pytest.mark.parametrize("name", [RecordName("crm", "lead", ("1",)), RecordName("crm", "contact", ("1", "2"))])
def test_unknown_tables_and_other_keys_are_refused(store: CrosswalkStore, file: Path, name: RecordName) -> None:
    decide(file, Decision(SAME, "individual", "", name, named("3"), None, "why", "mia", NOW, None))
    with pytest.raises(DecisionTable) as error:
        run(store, file)
    assert "c360 decide undo" in error.value.hint and store.current() is None
