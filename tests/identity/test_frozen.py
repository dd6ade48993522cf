"""A frozen model scores a pair by its two records alone: the run that trains it and any later one say the same of the same records."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
from people import ATTRIBUTES, Row, kin, strangers
from records import SECRET, record_set

from identity.crosswalk import Crosswalk
from identity.engines import Engines
from identity.errors import ModelMismatch
from identity.keyed import keyed, siphash, siphash_of_one
from identity.matching import Matching, Records
from identity.model import MatchModel
from identity.probabilistic.engine import Probabilistic, Settings, uses
from identity.probabilistic.kinds import recognise
from identity.probabilistic.model import load, save
from identity.resolve import resolve
from identity.versions.store import CrosswalkStore

MODEL = MatchModel(recognise(ATTRIBUTES))


def people() -> list[Row]:
    """Few enough names that some are common, a birth date that many have because the form asked for one, and its twin records."""
    rows = strangers(400, 90)
    rows += kin(rows[:60])
    for row in rows[::9]:
        row["birth_date"] = "1970-01-01"
    return [{"k0": i, **row} for i, row in enumerate(rows)]


def keep(folder: Path, secret: bytes = SECRET) -> tuple[Engines, CrosswalkStore]:
    return Engines(secret, {"individual": MODEL}, folder / "models"), CrosswalkStore(folder / "state")


def partition(crosswalk: Crosswalk | None) -> list[tuple[int, int]]:
    assert crosswalk is not None
    return crosswalk.reader.execute(f"SELECT k0, id360 FROM xw.{crosswalk.links[0].name} ORDER BY k0").fetchall()


def test_siphash_is_the_one_of_the_paper() -> None:
    """The reference vector of the message 00 01 … 07 under the key 00 01 … 0f."""
    word = np.array([int.from_bytes(bytes(range(8)), "little")], np.uint64)
    assert int(siphash(word, bytes(range(16)))[0]).to_bytes(8, "little").hex() == "6224939a79f5f593"
    assert siphash_of_one(int(word[0]), bytes(range(16))).to_bytes(8, "little").hex() == "6224939a79f5f593"


def test_keyed_hashes_depend_on_secret_and_purpose() -> None:
    words = np.arange(70_000, dtype=np.uint64)
    assert (keyed(words, b"one", "a") == keyed(words, b"one", "a")).all()
    assert not (keyed(words, b"one", "a") == keyed(words, b"two", "a")).any()
    assert not (keyed(words, b"one", "a") == keyed(words, b"one", "b")).any()


def test_the_training_run_and_a_frozen_one_say_the_same(tmp_path: Path) -> None:
    rows = people()
    found = []
    for _ in range(2):
        engines, store = keep(tmp_path)
        report = resolve([record_set(rows, attributes=ATTRIBUTES)], {}, store, SECRET, engines=engines)
        engines.save()
        found.append(partition(store.current()))
        generic = engines.findings.generic
        assert [g.value for g in generic] == ["19700101"]
    assert report.minted == report.merged == report.retired == 0
    assert found[0] == found[1]


def test_scores_do_not_depend_on_who_else_is_there(tmp_path: Path) -> None:
    """The same two records, among all others and among few, are worth the same bits."""
    rows = people()
    engines, store = keep(tmp_path)
    resolve([record_set(rows, attributes=ATTRIBUTES)], {}, store, SECRET, engines=engines)
    engines.save()

    found: list[Matching] = []

    class Watched(Engines):
        def match(self, records: Records, *rest: object) -> Matching:  # type: ignore[override]
            found.append(super().match(records, *rest))  # type: ignore[arg-type]
            return found[-1]

    def scores(some: list[Row], name: str) -> dict[tuple[int, int], float]:
        watched = Watched(SECRET, {"individual": MODEL}, tmp_path / "models")
        resolve([record_set(some, attributes=ATTRIBUTES)], {}, CrosswalkStore(tmp_path / name), SECRET, engines=watched)
        scored = found[-1].scored
        assert scored is not None
        keys = np.array([row["k0"] for row in some])
        return dict(zip(zip(keys[scored.left].tolist(), keys[scored.right].tolist(), strict=True), scored.odds.tolist(), strict=True))

    everyone, few = scores(rows, "all"), scores(rows[::2], "few")
    assert len(few) > 20_000
    assert all(everyone[pair] == odds for pair, odds in few.items())


def test_a_model_file_holds_hashes_and_no_values(tmp_path: Path) -> None:
    engines, store = keep(tmp_path)
    rows = people()
    resolve([record_set(rows, attributes=ATTRIBUTES)], {}, store, SECRET, engines=engines)
    engines.save()
    path = engines.path("individual", "")
    text = path.read_text().lower()
    assert not [row["last_name"] for row in rows if row["last_name"].lower() in text and len(row["last_name"]) > 5]
    assert "19700101" not in text
    trained = load(path)
    save(trained, tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == path.read_bytes()


def test_a_model_of_another_secret_is_refused(tmp_path: Path) -> None:
    rows = people()[:300]
    engines, store = keep(tmp_path)
    resolve([record_set(rows, attributes=ATTRIBUTES)], {}, store, SECRET, engines=engines)
    engines.save()
    other = b"another secret for tests"
    with pytest.raises(ModelMismatch, match="another secret"):
        resolve([record_set(rows, attributes=ATTRIBUTES)], {}, CrosswalkStore(tmp_path / "b"), other, engines=keep(tmp_path, other)[0])


def test_a_model_with_numbers_that_cannot_be_is_refused(tmp_path: Path) -> None:
    rows = people()[:300]
    engines, store = keep(tmp_path)
    resolve([record_set(rows, attributes=ATTRIBUTES)], {}, store, SECRET, engines=engines)
    engines.save()
    path = engines.path("individual", "")
    sound = path.read_text()
    level = ("factors", 0, "levels", 1)
    for place, number, said in (
        (("shares", "match"), math.nan, "share of match"),
        (("shares", "random"), math.inf, "share of random"),
        (("shares", "household"), -1, "share of household"),
        (("shares", "match"), 10**400, "no model of format"),
        ((*level, "match"), math.nan, "`match` of name"),
        ((*level, "household"), 0, "`household` of name"),
        ((*level, "random"), 1.5, "`random` of name"),
        ((*level, "random"), 0.9, "do not add up"),
        ((*level, "matches"), -1, "`matches`"),
        (("known", "shares", "given", "rare"), math.nan, "`known` shares of given"),
        (("known", "shares", "given", "rare"), 0.5, "`known` shares of given"),
    ):
        document: Any = json.loads(sound)
        inside = document
        for step in place[:-1]:
            inside = inside[step]
        inside[place[-1]] = number
        path.write_text(json.dumps(document))
        with pytest.raises(ModelMismatch, match=said):
            resolve([record_set(rows, attributes=ATTRIBUTES)], {}, store, SECRET, engines=keep(tmp_path)[0])
    path.write_text(sound)
    resolve([record_set(rows, attributes=ATTRIBUTES)], {}, store, SECRET, engines=keep(tmp_path)[0])


def test_a_model_of_nobody_is_sound(tmp_path: Path) -> None:
    for _ in range(2):
        engines, store = keep(tmp_path)
        resolve([record_set([], attributes=ATTRIBUTES)], {}, store, SECRET, engines=engines)
        engines.save()


def test_a_model_of_another_release_is_refused_and_what_differs_is_named(tmp_path: Path) -> None:
    rows = people()[:300]
    engines, store = keep(tmp_path)
    resolve([record_set(rows, attributes=ATTRIBUTES)], {}, store, SECRET, engines=engines)
    engines.save()
    path = engines.path("individual", "")
    path.write_text(path.read_text().replace("one digit off", "one digit wrong"))
    with pytest.raises(ModelMismatch, match=r"by a release of c360 that tells other levels of \w+") as refused:
        resolve([record_set(rows, attributes=ATTRIBUTES)], {}, store, SECRET, engines=keep(tmp_path)[0])
    assert "c360 train" in refused.value.hint


def test_the_order_of_day_and_month_is_part_of_the_model() -> None:
    """03/04/1980 alone says nothing; its source wrote 04/23/1980 in training."""
    rows = [{"k0": i, **row} for i, row in enumerate(strangers(120, 40))]
    for row in rows:
        year, month, day = row["birth_date"].split("-")
        row["birth_date"] = f"{month}/{day}/{year}"
    engine = Probabilistic(Settings(uses(recognise(ATTRIBUTES))), SECRET)
    con = duckdb.connect()
    from identity.loading import RECORD, load_all

    def matched(some: list[Row], engine: Probabilistic) -> None:
        columns = {key: f"n{i}" for i, key in enumerate(engine.needs((), ""))}
        loaded = load_all(con, [record_set(some, attributes=ATTRIBUTES)], columns, lambda label, rows: None)
        engine.match(Records(con, RECORD, loaded[0].count, columns, sources=(("crm", 0),)), (), "individual", "")
        con.execute("DROP VIEW record; DROP TABLE records_0")

    matched(rows, engine)
    assert engine.trained is not None
    assert engine.trained.known.month_first == ("crm",)
    again = Probabilistic(Settings(uses(recognise(ATTRIBUTES)), trained=engine.trained), SECRET)
    early = [row for row in rows if int(row["birth_date"][3:5]) <= 12]
    matched(early, again)
    assert again.trained is engine.trained
