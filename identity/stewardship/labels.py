"""What people said of pairs of records, to tell how good the crosswalk is: JSON lines beside the decisions. A label decides nothing.

    {"verdict": "same", "entity": "individual", "space": "", "a": ["crm", "contact", "17"], "b": ["shop", "customer", "C-3"],
     "by": "mia", "at": "2026-02-03T10:00:00Z"}

`verdict` is same, different or unsure; of several labels of one pair the last counts. Records are named as in
identity.stewardship.decision_log.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from identity.errors import LabelsFile
from identity.stewardship.decision_log import appending, iso, moment_from, record_from, record_parts
from identity.stewardship.decisions import DIFFERENT, SAME, RecordName

UNSURE = "unsure"
VERDICTS = (SAME, DIFFERENT, UNSURE)


@dataclass(frozen=True, slots=True)
class Label:
    """One pair and what somebody said of it."""

    verdict: str
    entity: str
    space: str
    a: RecordName
    b: RecordName
    by: str
    at: datetime

    @property
    def pair(self) -> frozenset[RecordName]:
        return frozenset((self.a, self.b))


def read_labels(path: str | Path) -> list[Label]:
    """The labels of a file, the last of each pair; none if there is no file. Raises: LabelsFile, which names the line."""
    file = Path(path)
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as cause:
        raise LabelsFile(f"{file.name} cannot be read as UTF-8 text", hint="restore it from git") from cause
    found: dict[tuple[str, str, frozenset[RecordName]], Label] = {}
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                label = _label(json.loads(line))
            except (ValueError, KeyError, TypeError, AttributeError) as cause:
                raise LabelsFile(
                    f"{file.name}:{number} is no label", hint="mend the line, or take it out; `c360 label` writes them"
                ) from cause
            found[label.entity, label.space, label.pair] = label
    return list(found.values())


def add_label(path: str | Path, label: Label) -> None:
    """Add a label to the file, flushed to disk. Raises: OSError, if the disk does not take it: then the file is as it was."""
    entry = {
        "verdict": label.verdict, "entity": label.entity, "space": label.space, "a": record_parts(label.a), "b": record_parts(label.b),
        "by": label.by, "at": iso(label.at),
    }  # fmt: skip
    with appending(path) as append:
        append(entry)


def _label(entry: Mapping[str, Any]) -> Label:
    if entry["verdict"] not in VERDICTS:
        raise ValueError(entry["verdict"])
    names = record_from(entry["a"]), record_from(entry["b"])
    return Label(entry["verdict"], str(entry["entity"]), str(entry.get("space", "")), *names, str(entry["by"]), moment_from(entry["at"]))
