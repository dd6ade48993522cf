"""The benchmark's own machinery: children that fail, linger or grow, the truth joined to a rival's answer."""

from __future__ import annotations

import sys
from pathlib import Path

import duckdb
import pytest

from benchmarks.identity.children import Failed, run
from benchmarks.identity.sets import DataSet, public
from benchmarks.identity.splink_rival import judge


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_the_object_printed_last_is_the_answer() -> None:
    assert run(python('print("iteration 1 {"); print(\'{"f1": 1}\')'), seconds=20, rss_mb=4000) == {"f1": 1}
    assert run(python("print('{'); print(' \"f1\": 2'); print('}')"), seconds=20, rss_mb=4000) == {"f1": 2}


def test_a_child_that_fails_says_why() -> None:
    with pytest.raises(Failed, match="exit code 3: no such column"):
        run(python("import sys; print('no such column', file=sys.stderr); sys.exit(3)"), seconds=20, rss_mb=4000)
    with pytest.raises(Failed, match=r"exit code 1: ZeroDivisionError: division by zero \(after"):
        run(python("1 / 0"), seconds=20, rss_mb=4000)
    with pytest.raises(Failed, match="no JSON object"):
        run(python("print('done')"), seconds=20, rss_mb=4000)


def test_a_child_that_lingers_or_grows_is_stopped() -> None:
    with pytest.raises(Failed, match="not finished in 1 s"):
        run(python("import time; time.sleep(60)"), seconds=1, rss_mb=4000)
    with pytest.raises(Failed, match="more than 200 MB") as failure:
        run(python("import time; kept = bytearray(400_000_000); time.sleep(60)"), seconds=30, rss_mb=200)
    assert failure.value.rss_mb > 200 and failure.value.seconds < 30


def test_a_rivals_clusters_are_judged_by_record(tmp_path: Path) -> None:
    (tmp_path / "records.csv").write_text("rec_id,cluster_id\na,1\nb,1\nc,2\nd,2\n", encoding="utf-8")
    data = DataSet("x", tmp_path / "records.csv", "people", None)
    labels = tmp_path / "0.5.parquet"
    duckdb.connect().sql(f"COPY (FROM (VALUES ('d', 'q'), ('c', 'p'), ('b', 'p'), ('a', 'p')) t(rec_id, cluster_id)) TO '{labels}'")
    quality = judge(data, labels)
    assert (quality.right_pairs, quality.found_pairs, quality.true_pairs) == (1, 3, 2)
    duckdb.connect().sql(f"COPY (FROM (VALUES ('d', 'q'), ('c', 'p'), ('b', 'p')) t(rec_id, cluster_id)) TO '{labels}'")
    with pytest.raises(ValueError, match="4 records, but labels of 3"):
        judge(data, labels)


def test_sets_that_are_not_there_are_named(tmp_path: Path) -> None:
    (tmp_path / "febrl3").mkdir()
    (tmp_path / "febrl3" / "records.csv").touch()
    found, missing = public(tmp_path)
    assert [data.name for data in found] == ["febrl3"] and "febrl4" in missing and "febrl3" not in missing
