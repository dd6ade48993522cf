"""Files of labels: pairs to answer elsewhere and their verdicts, who is who; and how good the crosswalk is by them."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from federation.labelling import Labelling, Question
from federation.state import serving
from identity.errors import LabelsFile, UnknownRecord
from identity.evidence.reading import Member, places_with_evidence
from identity.stewardship.condition import Condition, condition
from identity.stewardship.decisions import written_key
from identity.stewardship.labels import UNSURE, VERDICTS
from identity.stewardship.sampling import Estimate

if TYPE_CHECKING:
    from federation.project import Project

Name = tuple[Any, ...]
"""A record as its source, its table, and the parts of its key."""

COLUMNS, PERSONS = ("a", "b", "verdict"), ("record", "person")
_MEANING = {
    COLUMNS: "a and b are records, written source.table:key (crm.contact:17); a verdict is same, different or unsure.",
    PERSONS: "A record is written source.table:key (crm.contact:17); a person is any text that tells people apart.",
}


def export_questions(path: Path, questions: Iterable[Question]) -> int:
    """Write pairs of keys with an empty verdict, for answering elsewhere; for its owner's eyes. How many."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        rows = [(str(q.a), str(q.b), "") for q in questions]
        writer.writerows(rows)
    return len(rows)


def import_answers(path: Path, parse: Callable[[str], Name], labelling: Labelling, by: str | None = None) -> int:
    """Keep the verdicts of a CSV with columns a, b, verdict (same, different, unsure, or y, n, ?); rows without one are skipped.

    All rows are checked before any is kept. Raises: LabelsFile, UnknownRecord.
    """
    answers = list(_answers(path, parse, labelling))
    for question, verdict in answers:
        labelling.answer(question, verdict, by)
    return len(answers)


def _answers(path: Path, parse: Callable[[str], Name], labelling: Labelling) -> Iterator[tuple[Question, str]]:
    find = labelling.evidence.find
    for a, b, verdict in _verdicts(path, parse):
        yield Question(find(a[0], a[1], a[2:]), find(b[0], b[1], b[2:])), verdict


def _verdicts(path: Path, parse: Callable[[str], Name]) -> Iterator[tuple[Name, Name, str]]:
    meant = {"y": "same", "n": "different", "?": UNSURE, **{v: v for v in VERDICTS}}
    for number, row in enumerate(_rows(path, COLUMNS), 2):
        verdict = str(row.get("verdict") or "").strip().lower()
        if not verdict and all(row.get(c) is not None for c in COLUMNS):
            continue
        if verdict not in meant or not row.get("a") or not row.get("b"):
            raise LabelsFile(
                f"{path.name}:{number} is no label", hint=f"columns {', '.join(COLUMNS)}; a verdict is same, different or unsure"
            )
        yield parse(str(row["a"])), parse(str(row["b"])), meant[verdict]


def quality(
    project: Project,
    truth: Path | None = None,
    parse: Callable[[str], Name] | None = None,
    left_out: Callable[[int, int], None] | None = None,
) -> list[tuple[Condition, Estimate | None]]:
    """The condition of every (entity, space) of which there is evidence, held against the labels that are kept.

    `truth` is a CSV of more labels, of which nothing is kept: columns a, b, verdict, or record, person (any text that tells people apart);
    its records are named as `parse` reads them. Lines about records that are not in the crosswalk (any more) are left out: `left_out` is
    told how many of how many. Raises: NoCrosswalk, NoEvidence, LabelsFile, UnknownRecord (there is none of the file's).
    """
    places = places_with_evidence(serving(project))
    found: list[tuple[Condition, Estimate | None]] = []
    labels = Truth(truth, parse) if truth is not None and parse is not None else None
    for place in places or ((None, ""),):
        labelling = Labelling(project, *place)
        told, who = labelling.judged(), {}
        if labels is not None:
            told += labels.judged(labelling)
            who = labels.who(labelling)
        sampled = labelling.estimate() if labelling.labels else None
        found.append((condition(labelling.evidence, told, who), sampled))
    if labels is not None and (lost := labels.lost()) and left_out is not None:
        left_out(lost, labels.lines)
    return found


class Truth:
    """A file of who is who, or of verdicts on pairs; each entity and space takes the lines that are about its records."""

    def __init__(self, path: Path, parse: Callable[[str], Name]) -> None:
        rows = _rows(path, PERSONS, COLUMNS)
        persons = bool(rows) and {*PERSONS} <= rows[0].keys()
        self.persons = [(parse(str(row["record"])), str(row["person"])) for row in rows if row["person"]] if persons else []
        self.pairs = list(_verdicts(path, parse)) if rows and not persons else []
        self.lines = len(self.persons) + len(self.pairs)
        self._taken: set[int] = set()

    def who(self, labelling: Labelling) -> dict[int, str]:
        """Who each record is."""
        members = ((number, _member(labelling, name), person) for number, (name, person) in enumerate(self.persons))
        found = [(number, member.rec, person) for number, member, person in members if member is not None]
        self._taken.update(number for number, _, _ in found)
        return {rec: person for _, rec, person in found}

    def judged(self, labelling: Labelling) -> list[tuple[int, int, bool]]:
        """Pairs of records, and whether they are one person."""
        found = []
        for number, (*names, verdict) in enumerate(self.pairs):
            a, b = (_member(labelling, name) for name in names)
            if a is not None and b is not None:
                self._taken.add(number)
                found += [(a.rec, b.rec, verdict == "same")] if verdict != UNSURE else []
        return found

    def lost(self) -> int:
        """How many lines nobody took. Raises: UnknownRecord, if that is all."""
        if self.lines and not self._taken:
            names = self.persons[0][:1] if self.persons else self.pairs[0][:2]
            source, table, *key = names[0]
            raise UnknownRecord(
                f"no line is about records of the crosswalk; the first of {self.lines:,} names {source}.{table}:{written_key(key)}",
                hint="records are named source.table:key, the table as `c360 crosswalk status` writes it",
            )
        return self.lines - len(self._taken)


def _member(labelling: Labelling, name: Name) -> Member | None:
    with suppress(UnknownRecord):
        return labelling.evidence.find(name[0], name[1], name[2:])
    return None


def _rows(path: Path, *headers: Sequence[str]) -> list[dict[str, str]]:
    """The rows of a CSV that has all columns of one of `headers`. Raises: LabelsFile."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            found, there = list(reader), reader.fieldnames or ()
    except (OSError, UnicodeDecodeError, csv.Error) as cause:
        raise LabelsFile(f"{path.name} cannot be read as CSV", hint="`c360 label --export FILE` writes what it takes back") from cause
    if not any({*header} <= {*there} for header in headers):
        wanted = " or ".join(f"`{','.join(header)}`" for header in headers)
        raise LabelsFile(
            f"{path.name}: the first line is expected to be {wanted}; it {'is empty' if not there else 'has other columns'}",
            hint=" ".join(_MEANING[tuple(header)] for header in headers),
        )
    return found
