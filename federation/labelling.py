"""Labels of a project: which pairs to ask about, the two records as their sources have them now, and what the answers say."""

from __future__ import annotations

import csv
import getpass
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from federation.python_values import dicts_of
from federation.state import project_secret, serving
from identity.errors import LabelsFile, NoEvidence, UnknownRecord
from identity.evidence.reading import Member, StoredEvidence, evidence_of, places_with_evidence
from identity.stewardship.condition import Condition, condition
from identity.stewardship.decisions import written_key
from identity.stewardship.labels import UNSURE, VERDICTS, Label, add_label, read_labels
from identity.stewardship.review import record_name
from identity.stewardship.sampling import Estimate, Population, estimate, population, sample

if TYPE_CHECKING:
    from federation.project import Project
    from federation.session import Session

Name = tuple[Any, ...]
"""A record as its source, its table, and the parts of its key."""

COLUMNS, PERSONS = ("a", "b", "verdict"), ("record", "person")
_MEANING = {
    COLUMNS: "a and b are records, written source.table:key (crm.contact:17); a verdict is same, different or unsure.",
    PERSONS: "A record is written source.table:key (crm.contact:17); a person is any text that tells people apart.",
}


@dataclass(frozen=True, slots=True)
class Question:
    """Two records of which it is asked whether they are one person."""

    a: Member
    b: Member


class Labelling:
    """The pairs and labels of one entity and space of a project; by default those with most records."""

    def __init__(self, project: Project, entity: str | None = None, space: str = "") -> None:
        """Raises: NoCrosswalk, NoEvidence, LabelsFile."""
        crosswalk = serving(project)
        self.project = project
        places = [p for p in places_with_evidence(crosswalk) if entity in (None, p[0]) and (entity is None or p[1] == space)]
        if not places:
            raise NoEvidence(
                f"version {crosswalk.version} of the crosswalk keeps no evidence" + (f" for {entity}" if entity else ""),
                hint="`c360 resolve` writes it; an imported crosswalk has none",
            )
        all_ = [evidence_of(crosswalk, *place) for place in places]
        self.evidence: StoredEvidence = max(all_, key=lambda e: e.document.records)
        place = self.evidence.entity, self.evidence.space
        self.path = labels_file(project)
        self.labels = [x for x in read_labels(self.path) if (x.entity, x.space) == place]
        self.population: Population = population(self.evidence)

    def questions(self, count: int, seed: int = 360) -> list[Question]:
        """Pairs worth an answer, that have none yet."""
        done = [pair for label in self.labels if (pair := self._recs(label))]
        chosen = sample(self.population, count, done, seed)
        members = self.evidence.named(rec for pair in chosen for rec in pair)
        return [Question(members[a], members[b]) for a, b in chosen]

    def answer(self, question: Question, verdict: str, by: str | None = None) -> None:
        """Keep what somebody said. Records are named by key; a personal key by its keyed hash."""
        secret = project_secret(self.project.model)
        names = record_name(question.a, secret), record_name(question.b, secret)
        label = Label(verdict, self.evidence.entity, self.evidence.space, *names, by or getpass.getuser(), datetime.now(UTC))
        add_label(self.path, label)
        self.labels = [x for x in self.labels if x.pair != label.pair] + [label]

    def estimate(self) -> Estimate:
        """Precision and recall of the crosswalk, as far as the labels tell."""
        told = [(*pair, label.verdict) for label in self.labels if (pair := self._recs(label))]
        return estimate(
            self.population,
            [(a, b, verdict == "same") for a, b, verdict in told if verdict != UNSURE],
            sum(verdict == UNSURE for _, _, verdict in told),
        )

    def judged(self) -> list[tuple[int, int, bool]]:
        """The labelled pairs that are still there: records, and whether they are one person."""
        return [(*pair, label.verdict == "same") for label in self.labels if label.verdict != UNSURE and (pair := self._recs(label))]

    def _recs(self, label: Label) -> tuple[int, int] | None:
        known = self._by_name()
        a, b = known(label.a), known(label.b)
        return (a, b) if a is not None and b is not None else None

    def _by_name(self) -> Callable[[Any], int | None]:
        return lambda name: self.evidence.rec_of(name, project_secret(self.project.model))


def labels_file(project: Project) -> Path:
    """Where labels are kept: beside the decisions."""
    return Path(project.model.decisions).with_name("labels.jsonl")


def live_rows(session: Session, question: Question) -> list[dict[str, Any]]:
    """The two records as their sources have them now, as far as the session may see them; {} for one that is gone."""
    entity = question.a.table.entity
    ids = sorted({question.a.id360, question.b.id360})
    marks = ", ".join("?" * len(ids))
    found = dicts_of(session.sql(f"SELECT * FROM {entity}_record WHERE id360 IN ({marks})", ids).arrow())
    keyed = {(row["source"], row["source_table"], row["key"]): row for row in found}
    return [keyed.get((m.table.source, m.table.table, key_as_text(m)), {}) for m in (question.a, question.b)]


def key_as_text(member: Member) -> str:
    """A record's key as views of records show it: the value, or a JSON array of several."""
    import json

    if len(member.key) == 1:
        return str(member.key[0])
    return json.dumps(list(member.key), separators=(",", ":"), ensure_ascii=False, default=str)


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
    labels = _Truth(truth, parse) if truth is not None and parse is not None else None
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


class _Truth:
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
