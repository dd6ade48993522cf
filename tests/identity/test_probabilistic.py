"""The probabilistic engine: the same answer whatever the order, households kept apart, dirty values harmless, wishes honoured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from sqlglot import exp

from benchmarks.identity.people import people
from identity.clustering import Ints
from identity.evaluate import evaluate, judge, main
from identity.matching import Matching, Records
from identity.mistakes import MISSED, WRONG
from identity.model import MatchKey, MatchRule
from identity.normalise import normalised
from identity.probabilistic.compare import Histogram
from identity.probabilistic.contacts import phone_factor
from identity.probabilistic.correlation import FORBIDDEN, REQUIRED, correlation_clusters
from identity.probabilistic.engine import Probabilistic, Settings, uses
from identity.probabilistic.kinds import Field, recognise
from identity.probabilistic.training import Chance, train
from identity.quality import assess, expected_calibration_error

COUNT = 4000
FIELDS = ("first_name", "last_name", "birth_date", "email", "phone", "street", "city", "postcode")


@pytest.fixture(scope="module")
def crowd() -> pa.Table:
    """Some thousand records of made-up people, ordered by source and key as identity has them."""
    return people(COUNT, seed=3).sort_by([("source", "ascending"), ("rec_id", "ascending")])


def settings(fields: Sequence[Field] | None = None, **wishes: object) -> Settings:
    return Settings(uses(fields or recognise(FIELDS)), **wishes)  # type: ignore[arg-type]


def match(
    table: pa.Table,
    chosen: Settings | None = None,
    rules: tuple[MatchRule, ...] = (),
    threads: int = 2,
    decisions: Mapping[str, Ints] | None = None,
) -> tuple[Matching, Probabilistic]:
    """What the engine makes of a table, whose column `source` (if any) is in order."""
    engine = Probabilistic(chosen or settings(), b"a secret for tests only")
    columns = {key: f"n{i}" for i, key in enumerate(engine.needs(rules, "individual"))}
    with duckdb.connect(config={"threads": threads}) as con:
        con.register("given", table)
        forms = [
            f"{normalised(key.normal, exp.column(key.attribute, quoted=True)).sql('duckdb')} AS {name}" for key, name in columns.items()
        ]
        con.execute(f"CREATE TABLE record AS SELECT row_number() OVER () - 1 AS rec, {', '.join(forms)} FROM given")
        sources = table.column("source").to_pylist() if "source" in table.column_names else ["crm"] * table.num_rows
        starts = tuple((source, i) for i, source in enumerate(sources) if not i or sources[i - 1] != source)
        given = Records(con, "record", table.num_rows, columns, **(decisions or {}), sources=starts)  # type: ignore[arg-type]
        return engine.match(given, rules, "individual", ""), engine


@pytest.fixture(scope="module")
def matched(crowd: pa.Table) -> Matching:
    """Who is who in the crowd. Tests only read it."""
    return match(crowd)[0]


def truth_of(table: pa.Table) -> Ints:
    return np.unique(np.asarray(table.column("cluster_id").to_pylist()), return_inverse=True)[1].astype(np.int64)


def test_made_up_people_are_found_and_the_scores_mean_what_they_say(crowd: pa.Table, matched: Matching) -> None:
    found = matched
    assert found.scored is not None
    reached = assess(found.labels, truth_of(crowd))
    assert reached.f1 > 0.95
    scores = 1 / (1 + np.exp2(-found.scored.odds))
    truth = truth_of(crowd)
    right = truth[found.scored.left] == truth[found.scored.right]
    assert expected_calibration_error(scores[scores > 0.01], right[scores > 0.01]).error < 0.06


def test_the_order_of_rows_and_the_number_of_threads_change_nothing(crowd: pa.Table) -> None:
    one, _ = match(crowd, threads=1)
    two, _ = match(crowd, threads=4)
    assert one.scored is not None and two.scored is not None
    assert (one.labels == two.labels).all()
    assert one.scored.odds.tobytes() == two.scored.odds.tobytes()


def test_a_frozen_model_finds_the_same_people(crowd: pa.Table) -> None:
    found, engine = match(crowd)
    again, _ = match(crowd, settings(trained=engine.trained))
    assert (again.labels == found.labels).all()


def test_what_no_pair_drawn_at_random_shows_may_still_happen_by_chance() -> None:
    """Else luck in drawing would make one digit off worth more than the whole number."""
    factor = phone_factor()
    pairs = np.array([0.0, 30.0, 0.0, 0.0, 1e7])  # of ten million, 200 000 drawn: none is one digit off
    seen = Histogram(np.array([[1], [3], [4]], np.uint8), np.array([30, 5, 900]), np.repeat([0, 1, 2], [30, 5, 900]))
    model = train((factor,), seen, Chance((pairs,), 1e7, (np.array([25.0, 0.5, 25.0, 25.0, 25.0]),)), 4500)
    assert model.random[0][3] == pytest.approx(1e-6, rel=0.1)  # as is usual, which is less than half a pair of those drawn
    assert model.random[0][1] >= 0.5e-7  # half a pair of all


def household(**changes: str) -> dict[str, str]:
    home = {"last_name": "Okonkwo", "street": "12 Harbour Road", "city": "Leith", "postcode": "EH6 1AA", "source": "zz"}
    return {**dict.fromkeys(FIELDS), **home, **changes}


def with_rows(crowd: pa.Table, rows: Sequence[Mapping[str, str | None]]) -> pa.Table:
    """The crowd, and rows of a source of their own at its end."""
    schema = pa.schema([(name, pa.string()) for name in ("source", *FIELDS)])
    return pa.concat_tables([crowd.select(schema.names).cast(schema), pa.Table.from_pylist(list(rows), schema)])


def clusters_of_the_last(found: Matching, count: int) -> list[int]:
    return [int(label) for label in found.labels[-count:]]


def test_a_household_is_not_one_person(crowd: pa.Table) -> None:
    mother = household(first_name="Adaeze", birth_date="1961-03-14", phone="+441314960111")
    son = household(first_name="Chidi", birth_date="1990-08-02", phone="+441314960111")
    twin = household(first_name="Ngozi", birth_date="1990-08-02")
    found, _ = match(with_rows(crowd, [mother, son, twin]))
    assert len(set(clusters_of_the_last(found, 3))) == 3


def test_a_typing_mistake_and_a_move_are_the_same_person(crowd: pa.Table) -> None:
    before = household(first_name="Adaeze", birth_date="1961-03-14", email="ada.okonkwo61@mail.test", phone="+441314960111")
    after = {**before, "first_name": "Adaeeze", "street": "7 Mill Lane", "city": "Perth", "postcode": "PH1 5AA"}
    found, _ = match(with_rows(crowd, [before, after]))
    assert len(set(clusters_of_the_last(found, 2))) == 1


@pytest.mark.parametrize("people_known", range(1, 6))
@pytest.mark.parametrize("columns", [FIELDS[:5], ("first_name", "last_name", "email"), ("first_name", "last_name", "birth_date")])
def test_among_a_handful_of_records_twins_are_found_and_others_left_alone(people_known: int, columns: tuple[str, ...]) -> None:
    ada, *others = [
        ("Ada", "Lovelace", "1815-12-10", "ada@example.org", "+44 20 7946 0001"),
        ("Alan", "Turing", "1912-06-23", "alan@example.net", "+44 20 7946 0002"),
        ("Grace", "Hopper", "1906-12-09", "grace@example.com", "+1 202 555 0101"),
        ("Konrad", "Zuse", "1910-06-22", "k.zuse@example.de", "+49 30 1234567"),
        ("Ada", "Byron", "1850-01-31", "byron@example.org", "+44 20 7946 0005"),
    ]
    rows = [ada, *others[: people_known - 1], ada]
    table = pa.table({column: [row[FIELDS.index(column)] for row in rows] for column in columns})
    found, _ = match(table, settings(recognise(columns)))
    assert found.labels.tolist() == [*range(people_known), 0]


def test_a_poisoned_birth_date_joins_nobody_and_is_named(crowd: pa.Table, matched: Matching) -> None:
    poisoned = people(COUNT, seed=3, poison=True).sort_by([("source", "ascending"), ("rec_id", "ascending")])
    found, engine = match(poisoned)
    assert "20080101" in {generic.value for generic in engine.generic}
    assert assess(found.labels, truth_of(poisoned)).f1 > assess(matched.labels, truth_of(crowd)).f1 - 0.02


def test_one_block_with_everybody_is_cut_and_reported() -> None:
    rows = [{"first_name": f"N{i}", "last_name": "Same", "birth_date": "1980-01-01", "city": "Here"} for i in range(3000)]
    fields = recognise(("first_name", "last_name", "birth_date", "city"))
    found, _ = match(pa.Table.from_pylist(rows), settings(fields, cap=50))
    assert found.scored is not None
    assert len(found.scored.left) < 3000 * 50
    assert len(set(found.labels.tolist())) == 3000


def test_an_empty_column_and_no_records_do_no_harm(crowd: pa.Table) -> None:
    blank = crowd.set_column(crowd.column_names.index("phone"), "phone", pa.nulls(crowd.num_rows, pa.string()))
    found, _ = match(blank)
    assert assess(found.labels, truth_of(crowd)).f1 > 0.9
    nobody, _ = match(crowd.slice(0, 0))
    assert len(nobody.labels) == 0
    alone, _ = match(crowd.slice(0, 1))
    assert alone.labels.tolist() == [0]


def test_decisions_and_rules_are_honoured(crowd: pa.Table, matched: Matching) -> None:
    found = matched
    one, other = next((i, int(label)) for i, label in enumerate(found.labels) if label != i)
    strangers = [int(i) for i in np.unique(found.labels)[:2]]
    decided, _ = match(crowd, decisions={"cannot": np.array([[other, one]]), "must": np.array([strangers])})
    assert decided.labels[one] != decided.labels[other]
    assert decided.labels[strangers[0]] == decided.labels[strangers[1]]
    assert any({refused.left, refused.right} & {one, other} for refused in decided.refused)


def test_what_a_steward_joins_is_joined_whole(crowd: pa.Table, matched: Matching) -> None:
    found = matched
    labels, sizes = np.unique(found.labels, return_counts=True)
    one, other = (int(label) for label in labels[sizes > 2][:2])
    decided, _ = match(crowd, decisions={"must": np.array([[one, other]])})
    assert set(np.flatnonzero(decided.labels == decided.labels[one])) == set(np.flatnonzero(np.isin(found.labels, [one, other])))
    strangers = np.array([[one, int(np.flatnonzero(found.labels == other)[1])]])
    torn, _ = match(crowd, decisions={"must": np.array([[one, other]]), "cannot": strangers})
    assert torn.labels[one] == torn.labels[other]
    assert torn.labels[strangers[0, 1]] != torn.labels[one]


def test_an_exact_rule_joins_what_the_model_would_not(crowd: pa.Table) -> None:
    table = with_rows(crowd, [household(first_name="Adaeze", phone="+441314960111"), household(first_name="Chidi", phone="+441314960111")])
    rule = MatchRule("phone", (MatchKey("phone", "phone"),))
    assert len(set(clusters_of_the_last(match(table)[0], 2))) == 2
    assert len(set(clusters_of_the_last(match(table, rules=(rule,))[0], 2))) == 1


def test_two_values_of_what_a_person_has_one_of_are_two_people(crowd: pa.Table) -> None:
    same = household(first_name="Adaeze", birth_date="1961-03-14", email="ada@mail.test", phone="+441314960111")
    numbers = pa.array([*[None] * crowd.num_rows, "A1", "B2", None])
    table = with_rows(crowd, [same, same, same]).append_column("member_card", numbers)
    found, _ = match(table, settings(must_not=(MatchKey("member_card", "exact"),)))
    first, second, third = clusters_of_the_last(found, 3)
    assert first != second
    assert third in (first, second)


def test_no_cluster_is_larger_than_it_may_be(crowd: pa.Table) -> None:
    found, _ = match(crowd, settings(most=2))
    assert np.unique(found.labels, return_counts=True)[1].max() == 2


def brute_objective(labels: Ints, left: Ints, right: Ints, weights: Ints) -> int:
    return int(weights[labels[left] == labels[right]].sum())


@pytest.mark.parametrize("seed", range(20))
def test_correlation_clusters_keep_what_is_forbidden_and_what_is_required(seed: int) -> None:
    draw = np.random.default_rng(seed)
    codes = np.unique(draw.integers(0, 30, 120) * 30 + draw.integers(0, 30, 120))
    left, right = codes // 30, codes % 30
    left, right = left[left < right], right[left < right]
    weights = draw.integers(-9000, 9000, len(left))
    weights[:2], weights[2:4] = REQUIRED, FORBIDDEN
    labels = correlation_clusters(30, left, right, weights)
    assert (labels[left[weights == FORBIDDEN]] != labels[right[weights == FORBIDDEN]]).all()
    assert (labels[left[weights == REQUIRED]] == labels[right[weights == REQUIRED]]).all()
    assert (labels[labels] == labels).all() and (labels <= np.arange(30)).all()
    alone = np.arange(30)
    plain = np.abs(weights) < 10_000
    assert brute_objective(labels, left[plain], right[plain], weights[plain]) >= brute_objective(
        alone, left[plain], right[plain], weights[plain]
    )


def test_evaluate_runs_a_file_and_says_what_is_wrong_with_another(
    crowd: pa.Table, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "people.parquet"
    pa.parquet.write_table(crowd, path)
    result = evaluate(path, "cluster_id")
    assert result.records == COUNT and result.f1 > 0.95 and "household_id" not in result.fields
    judged = judge(path, "cluster_id")
    truth, source = crowd.column("cluster_id").to_pylist(), crowd.column("source").to_pylist()
    assert source == sorted(source)
    quality, shown = assess(judged.labels, judged.truth), list(judged.mistakes())
    assert sum(m.kind == MISSED for m in shown) == quality.true_pairs - quality.right_pairs
    assert sum(m.kind == WRONG for m in shown) == quality.found_pairs - quality.right_pairs
    assert all((truth[m.left] == truth[m.right]) == (m.kind == MISSED) for m in shown) and any(m.bars for m in shown)
    assert main([str(path), "--truth", "cluster_id", "--mistakes", "2"]) == 0
    assert sum(line.startswith((MISSED, WRONG)) for line in capsys.readouterr().out.splitlines()) <= 4
    missing = str(tmp_path / "people.csv")
    for arguments, told in (
        ([str(path), "--truth", "nowhere"], "no column 'nowhere'"),
        ([str(path), "--truth", "cluster_id", "--source", "sourc"], "no column 'sourc'"),
        ([missing, "--truth", "cluster_id"], "no such file"),
    ):
        assert main(arguments) == 1
        said = capsys.readouterr().err
        assert told in said and said.count("C360_UNREADABLE_TABLE") == 1 and said.count("next: ") == 1 and len(said.splitlines()) == 2
