"""Splink beside c360: run in its own environment, judged at the threshold that suits it best."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb

from benchmarks.identity.children import run
from benchmarks.identity.sets import TRUTH, DataSet
from identity.quality import Quality, assess

SCRIPT = Path(__file__).parent / "rival" / "run.py"
ENVIRONMENT = Path(".bench") / "splink" / "bin" / "python"
LIMIT_GB = 12  # DuckDB's memory under Splink; it spills to disk beyond


@dataclass(frozen=True, slots=True)
class Measured:
    """The partition's quality by threshold; the seconds from the file to the first partition, and the peak memory in MB."""

    by_threshold: dict[float, Quality]
    seconds: float
    rss_mb: float

    @property
    def best(self) -> float:
        """The threshold with the best F1: nobody without labels can know it, so this flatters."""
        return max(self.by_threshold, key=lambda threshold: self.by_threshold[threshold].f1)


def measure(data: DataSet, python: Path, *, seconds: float, rss_mb: float) -> Measured:
    """Raises `children.Failed` where Splink does not finish."""
    assert data.rival is not None
    with TemporaryDirectory() as folder:
        command = [str(python), str(SCRIPT), str(data.file), "--model", data.rival, "--labels", folder, "--memory-limit", f"{LIMIT_GB}GB"]
        answer = run(command, seconds=seconds, rss_mb=rss_mb)
        judged = {float(file.stem): judge(data, file) for file in Path(folder).glob("*.parquet")}
    return Measured(judged, answer["seconds"], answer["rss_mb"])


def judge(data: DataSet, labels: Path) -> Quality:
    """The partition in a file of rec_id and cluster_id against the data's truth. Every record must be in it, once."""
    scan = f"read_csv('{data.file}', all_varchar = true, strict_mode = false)" if data.file.suffix == ".csv" else f"'{data.file}'"
    with duckdb.connect() as con:
        codes = con.execute(f"""
            SELECT dense_rank() OVER (ORDER BY l.cluster_id) AS label, dense_rank() OVER (ORDER BY t.{TRUTH}) AS truth
            FROM {scan} AS t LEFT JOIN '{labels}' AS l USING (rec_id)""").fetchnumpy()
        counts = f"SELECT (SELECT count(*) FROM {scan}), (SELECT count(DISTINCT rec_id) FROM '{labels}')"
        ((records, labelled),) = con.execute(counts).fetchall()
    if not records == labelled == len(codes["label"]):
        raise ValueError(f"{records} records, but labels of {labelled} in {len(codes['label'])} rows")
    return assess(codes["label"], codes["truth"])
