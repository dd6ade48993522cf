"""Labels of a project: which pairs to ask about, the two records as their sources have them now, and what the answers say."""

from __future__ import annotations

import getpass
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from federation.deciding import Key, mappings_of
from federation.python_values import dicts_of
from federation.state import project_secret, serving
from identity.errors import NoEvidence
from identity.evidence.reading import Member, StoredEvidence, evidence_of, places_with_evidence
from identity.stewardship.labels import UNSURE, Label, add_label, read_labels
from identity.stewardship.review import record_name
from identity.stewardship.sampling import Estimate, Population, estimate, population, sample

if TYPE_CHECKING:
    from federation.project import Project
    from federation.session import Session


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
        secret = project_secret(self.project.model)
        a, b = (self.evidence.rec_of(name, secret) for name in (label.a, label.b))
        return (a, b) if a is not None and b is not None else None


def labels_file(project: Project) -> Path:
    """Where labels are kept: beside the decisions."""
    return Path(project.model.decisions).with_name("labels.jsonl")


def question_of(project: Project, a: Key, b: Key) -> Question:
    """Records ("crm", "contact", 42) and ("shop", "customer", "C-3"), to be looked at. Raises: NoCrosswalk, NoEvidence, UnknownRecord,
    DecisionTable."""
    mapping, _ = mappings_of(project, [a, b])
    evidence = evidence_of(serving(project), mapping.object, mapping.space)
    return Question(evidence.find(a[0], a[1], a[2:]), evidence.find(b[0], b[1], b[2:]))


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
