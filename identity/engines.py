"""The engine of each entity: the probabilistic one where the project asks for a model, exact rules elsewhere.

DIR/<entity>.json            the trained model, frozen until somebody trains again; DIR/<entity>.<space>.json within a space
DIR/<entity>.json.previous   the one before
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import quote

from identity.errors import ModelMismatch
from identity.exact_rules import CAP, ExactRules
from identity.keyed import keyed_hash
from identity.matching import Matcher, Matching, Records
from identity.model import AtMost, Households, MatchKey, MatchModel, MatchRule
from identity.model_use import GenericCount, ModelUse
from identity.probabilistic.drift import drifted, observe
from identity.probabilistic.engine import Probabilistic, Settings, uses
from identity.probabilistic.hygiene import GenericValue
from identity.probabilistic.kinds import Kind
from identity.probabilistic.model import Trained, load, write_beside


@dataclass(frozen=True, slots=True)
class Generic:
    """A value that was found to be nobody's, as it stands in the sources: for the eyes of whoever resolves, and not to be kept."""

    entity: str
    attribute: str
    value: str
    records: int


@dataclass(slots=True)
class Findings:
    """What matching leaves besides its answer: the values that are nobody's, the models that were trained (`fresh`, by file) and those
    that were used (by the name of their file)."""

    generic: list[Generic] = field(default_factory=list)
    fresh: dict[Path, Trained] = field(default_factory=dict)
    used: dict[str, Trained] = field(default_factory=dict)
    last: Probabilistic | None = None
    """What matched the last (entity, space); None if exact rules did."""


@dataclass(frozen=True, slots=True)
class Engines:
    """What matches each entity: its model in `models`, otherwise exact rules, with `cap` the most records a value may link.

    `once` are, per entity, the sources (or source.table) that hold each person once; `at_most` how many values of an attribute one person
    has; `households` the entities whose households are asked for. A model found in `folder` is used as it is, unless `anew`; one that had
    to be trained is kept there by `save`. `only` is an engine to match all by, instead; it leaves nothing that an index could be made of.
    What matching finds is collected in `findings`.
    """

    secret: bytes
    models: Mapping[str, MatchModel]
    folder: Path
    cap: int = CAP
    anew: bool = False
    index: bool = False
    once: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    at_most: Mapping[str, tuple[AtMost, ...]] = field(default_factory=dict)
    households: Mapping[str, Households] = field(default_factory=dict)
    only: Matcher | None = None
    findings: Findings = field(default_factory=Findings, compare=False)

    @property
    def last(self) -> Probabilistic | None:
        """What matched the last (entity, space); None if exact rules did."""
        return self.findings.last

    def needs(self, rules: Sequence[MatchRule], entity: str) -> tuple[MatchKey, ...]:
        """The attributes that are compared of an entity, in their normal forms."""
        if self.only is not None:
            return self.only.needs(rules, entity)
        exact = self._exact(entity).needs(rules, entity)
        model = self.models.get(entity)
        return tuple(dict.fromkeys([*(use.key for use in uses(model.fields, model.normals)), *model.must_not, *exact])) if model else exact

    def kinds(self, entity: str) -> dict[MatchKey, Kind]:
        """What the model of an entity takes its attributes for, in the forms in which it reads them; nothing without a model."""
        return kinds_of(self.models.get(entity))

    def match(self, records: Records, rules: Sequence[MatchRule], entity: str, space: str) -> Matching:
        """Cluster the records of one (entity, space). Raises: ModelMismatch."""
        findings = self.findings
        findings.last = None
        if self.only is not None:
            return self.only.match(records, rules, entity, space)
        model = self.models.get(entity)
        if model is None:
            return self._exact(entity).match(records, rules, entity, space)
        frozen = self.frozen(entity, space)
        engine = findings.last = Probabilistic(self._settings(entity, frozen), self.secret, index=self.index)
        found = engine.match(records, rules, entity, space)
        if engine.trained is None or found.scored is None:
            return found
        seen = observe(found.scored.levels, engine.trained.model)
        path = self.path(entity, space)
        if frozen is None:
            findings.fresh[path] = replace(engine.trained, attributes=_attributes(model), usual=seen.levels)
        findings.used[path.stem] = frozen or findings.fresh[path]
        findings.generic += [Generic(entity, _attribute(g.column, model), g.value, g.records) for g in engine.generic]
        use = ModelUse(
            entity=entity,
            space=space,
            trained=frozen is None,
            trained_on=engine.trained.records,
            records=records.count,
            pairs=len(found.scored.left),
            matches=round(seen.matches, 1),
            households=round(seen.households, 1),
            attributes=dict(_attributes(model)),
            drift=drifted(frozen.factors, frozen.usual, seen.levels) if frozen else (),
            generic=self._counted(engine.generic, model),
            suspect=self._counted(engine.suspect, model),
        )
        return replace(found, model=use)

    def settings(self, entity: str) -> Settings | None:
        """How an entity that has a model is matched; without the trained model."""
        return self._settings(entity, None) if entity in self.models else None

    def frozen(self, entity: str, space: str) -> Trained | None:
        """The trained model of an entity that has one. Raises: ModelMismatch, if it is broken or was trained for other attributes."""
        path = self.path(entity, space)
        if self.anew or entity not in self.models or not path.exists():
            return None
        trained = load(path)
        now = _attributes(self.models[entity])
        if trained.attributes != now:
            raise ModelMismatch(
                f"the model of {entity} ({path.name}) was trained for {_told(trained.attributes)}; the project compares {_told(now)}",
                hint=f"train it again: `c360 train {entity}`",
            )
        return trained

    def local(self, entity: str, space: str) -> Probabilistic | None:
        """The engine of an entity with its frozen model; None if exact rules match it, or its model is yet to be trained."""
        frozen = self.frozen(entity, space)
        return Probabilistic(self._settings(entity, frozen), self.secret) if frozen else None

    def fingerprint(self, entity: str, space: str) -> str:
        """What tells the model of an entity, and how it is used, from any other."""
        if entity not in self.models:
            return "none"
        trained = self.findings.fresh.get(self.path(entity, space)) or self.frozen(entity, space)
        used = hashlib.sha256(repr(self.models[entity]).encode())
        if trained is not None:
            used.update(trained.digest())
        return used.hexdigest()

    def check(self, groups: Iterable[tuple[str, str]]) -> None:
        """Before anything is read: the models of these (entity, space) fit the project. Raises: ModelMismatch."""
        for entity, space in groups:
            self.frozen(entity, space)

    def save(self) -> None:
        """Keep the models that were trained; what was there before stays beside them."""
        with self.saving():
            pass

    @contextmanager
    def saving(self) -> Iterator[None]:
        """The same once the block has come to its end: if it does not, no model is in use that it did not want. Raises OSError before the
        block if the disk does not take them."""
        drafts: list[tuple[Path, Path]] = []
        try:
            for path, trained in self.findings.fresh.items():
                drafts.append((path, write_beside(trained, path)))
            yield
            for path, draft in drafts:
                if path.exists():
                    shutil.copyfile(path, path.with_name(f"{path.name}.previous"))
                draft.replace(path)
            self.findings.fresh.clear()
        finally:
            for _, draft in drafts:
                draft.unlink(missing_ok=True)

    def path(self, entity: str, space: str) -> Path:
        """The file of a model."""
        return self.folder / (f"{entity}.{quote(space, safe='')}.json" if space else f"{entity}.json")

    def _exact(self, entity: str) -> ExactRules:
        return ExactRules(self.secret, self.cap, once=self.once.get(entity, ()), at_most=self.at_most.get(entity, ()))

    def _settings(self, entity: str, frozen: Trained | None) -> Settings:
        model, once, at_most = self.models[entity], self.once.get(entity, ()), self.at_most.get(entity, ())
        return Settings(
            uses(model.fields, model.normals), model.must_not, model.threshold, model.largest, model.block_cap, frozen, once, at_most
        )

    def _counted(self, generic: Sequence[GenericValue], model: MatchModel) -> tuple[GenericCount, ...]:
        """Generic values as reports may hold them."""
        return tuple(GenericCount(_attribute(g.column, model), keyed_hash(self.secret, g.column, [g.value]), g.records) for g in generic)


def kinds_of(model: MatchModel | None) -> dict[MatchKey, Kind]:
    """What a model takes attributes for, in the forms in which it reads them; nothing without a model."""
    return {use.key: use.field.kind for use in uses(model.fields, model.normals)} if model else {}


def _attributes(model: MatchModel) -> tuple[tuple[str, str], ...]:
    return tuple((f.attribute, f.kind.value) for f in model.fields)


def _attribute(column: str, model: MatchModel) -> str:
    """The attributes that a column of the engine is made of."""
    if column.startswith("id_"):
        return [f.attribute for f in model.fields if f.kind is Kind.IDENTIFIER][int(column.removeprefix("id_"))]
    births = (Kind.BIRTH_DATE, Kind.BIRTH_YEAR, Kind.BIRTH_MONTH, Kind.BIRTH_DAY)
    kinds = {"dob": births, "email": (Kind.EMAIL,), "phone": (Kind.PHONE,)}.get(column, ())
    return ", ".join(f.attribute for f in model.fields if f.kind in kinds) or column


def _told(attributes: Iterable[tuple[str, str]]) -> str:
    return ", ".join(name if name == kind else f"{name} ({kind})" for name, kind in attributes) or "nothing"
