"""Splink on one labelled table; run with the Python of Splink's environment, not with c360's.

    python run.py FILE.csv|FILE.parquet --model NAME --labels FOLDER [--memory-limit 12GB]

Writes FOLDER/<threshold>.parquet: for every record, which cluster it is in; prints one JSON object with the versions, the seconds
(reading and cleaning, training, predicting, clustering at one threshold) and the peak memory of this process.
"""

from __future__ import annotations

import argparse
import json
import logging
import re
import time
from pathlib import Path

import duckdb
import splink
from models import MODELS, Model, settings, train
from splink import DuckDBAPI, Linker

THRESHOLDS = (0.5, 0.9, 0.95, 0.99)


def main() -> None:
    """The script."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--model", choices=MODELS, required=True)
    parser.add_argument("--labels", type=Path, required=True)
    parser.add_argument("--memory-limit", default="12GB")
    args = parser.parse_args()
    logging.getLogger("splink").setLevel(logging.ERROR)
    start = time.perf_counter()
    connection = duckdb.connect()
    connection.execute(
        f"SET memory_limit = '{args.memory_limit}'; SET temp_directory = '{args.labels / 'spilt'}'; SET enable_progress_bar = false"
    )
    linker = trained(connection, args.file, MODELS[args.model])
    predictions = linker.inference.predict(threshold_match_probability=min(THRESHOLDS))
    seconds = 0.0
    for threshold in THRESHOLDS:
        clusters = linker.clustering.cluster_pairwise_predictions_at_threshold(predictions, threshold_match_probability=threshold)
        seconds = seconds or time.perf_counter() - start
        clusters.as_duckdbpyrelation().project("rec_id, cluster_id").write_parquet(str(args.labels / f"{threshold}.parquet"))
    print(json.dumps({"splink": splink.__version__, "duckdb": duckdb.__version__, "seconds": seconds, "rss_mb": peak_mb()}))


def trained(connection: duckdb.DuckDBPyConnection, file: Path, model: Model) -> Linker:
    """The linker over the cleaned columns, after training."""
    scan = f"read_csv('{file}', all_varchar = true, strict_mode = false)" if file.suffix == ".csv" else f"'{file}'"
    sources = [row[0] for row in connection.execute(f"SELECT DISTINCT source FROM {scan} ORDER BY 1").fetchall()] if model.link else [None]
    api = DuckDBAPI(connection=connection)
    tables = []
    for number, source in enumerate(sources):
        where = "" if source is None else f"WHERE source = '{source}'"
        connection.execute(f"CREATE TABLE input_{number} AS SELECT {model.columns} FROM {scan} {where}")
        tables.append(api.register(connection.table(f"input_{number}")))
    linker = Linker(tables if model.link else tables[0], settings(model))
    train(linker, model)
    return linker


def peak_mb() -> float:
    """Of this program alone: the peak that `getrusage` tells starts with that of the process that started it."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="ascii"))
    assert found, "Linux tells it"
    return int(found.group(1)) / 1024


if __name__ == "__main__":
    main()
