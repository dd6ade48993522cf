"""Splink on records that come in batches; run with the Python of Splink's environment, not with c360's.

    python batches.py FILE.parquet --work FOLDER [--memory-limit 12GB]

The file has a column `batch`: batch 0 is trained and predicted whole. For each later one, as Splink's documentation has it for records
that come later: `predict_between` what was there and what came, `predict_within` what came, then clusters over all predictions so far
(there are none that could be continued). Prints one JSON object: the seconds of the whole and of each batch's pairs and clusters. Of a
batch only that is counted: its values are clean, those of all others are in memory, and so are the frequencies of terms.
"""

from __future__ import annotations

import argparse
import json
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import splink
from models import MODELS, settings, train
from splink import DuckDBAPI, Linker
from splink.clustering import cluster_pairwise_predictions_at_threshold

THRESHOLD = 0.5
MODEL = MODELS["people"]


def main() -> None:
    """The script."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--memory-limit", default="12GB")
    args = parser.parse_args()
    logging.getLogger("splink").setLevel(logging.ERROR)
    con = duckdb.connect()
    con.execute(f"SET memory_limit = '{args.memory_limit}'; SET temp_directory = '{args.work / 'spilt'}'; SET enable_progress_bar = false")
    whole, arriving = timed(lambda: Arriving(con, args.file))
    ((last,),) = con.execute(f"SELECT max(batch) FROM '{args.file}'").fetchall()
    batches = [arriving.take(batch) for batch in range(1, last + 1)]
    print(json.dumps({"splink": splink.__version__, "duckdb": duckdb.__version__, "whole_seconds": whole, "batches": batches}))


class Arriving:
    """What was there, trained, predicted and clustered; then batch after batch."""

    def __init__(self, con: duckdb.DuckDBPyConnection, file: Path) -> None:
        self.con, self.file, self.api = con, file, DuckDBAPI(connection=con)
        self._clean(0)
        self.linker = Linker(self.api.register(con.table("batch_0")), settings(MODEL))
        train(self.linker, MODEL)
        for column in ("first_name", "last_name", "street", "postcode", "city"):
            self.linker.table_management.compute_tf_table(column)
        con.execute("CREATE TABLE people AS FROM batch_0")
        con.execute("CREATE TABLE pairs (rec_id_l VARCHAR, rec_id_r VARCHAR, match_probability DOUBLE)")
        self._keep(self.linker.inference.predict(threshold_match_probability=THRESHOLD))
        self._cluster()

    def take(self, batch: int) -> dict[str, float]:
        """The seconds of a batch."""
        self._clean(batch)
        there, came = self.api.register(self.con.table("people")), self.api.register(self.con.table(f"batch_{batch}"))
        between, found = timed(lambda: self.linker.inference.predict_between(there, came, threshold_match_probability=THRESHOLD))
        within, own = timed(lambda: self.linker.inference.predict_within(came, threshold_match_probability=THRESHOLD))
        self._keep(found)
        self._keep(own)
        self.con.execute(f"INSERT INTO people FROM batch_{batch}")
        clusters, _ = timed(self._cluster)
        return {"pairs": round(between + within, 3), "clusters": round(clusters, 3)}

    def _clean(self, batch: int) -> None:
        self.con.execute(f"CREATE TABLE batch_{batch} AS SELECT {MODEL.columns} FROM '{self.file}' WHERE batch = {batch}")

    def _keep(self, predictions: Any) -> None:
        predictions.as_duckdbpyrelation().project("rec_id_l, rec_id_r, match_probability").insert_into("pairs")

    def _cluster(self) -> None:
        cluster_pairwise_predictions_at_threshold(
            self.api.register(self.con.table("people")),
            self.api.register(self.con.table("pairs")),
            self.api,
            "rec_id",
            threshold_match_probability=THRESHOLD,
        )


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """The seconds that it took, and what it gave."""
    started = time.perf_counter()
    found = work()
    return time.perf_counter() - started, found


if __name__ == "__main__":
    main()
