"""What the models of the version that serves know to be nobody's: golden records pass over it, too."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from sqlglot import exp

from federation.errors import FileForbidden
from federation.state import known_secret
from identity.crosswalk import Crosswalk
from views.errors import MissingSecret
from views.relations import Survived

if TYPE_CHECKING:
    from federation.project import Project
    from identity.probabilistic.nobodys import Told


@dataclass(frozen=True, slots=True)
class Learned:
    """By entity and attribute whether a record's value is nobody's, and the functions that are called for it."""

    tests: Mapping[str, Mapping[str, exp.Expr]] = field(default_factory=dict)
    functions: Mapping[str, Told] = field(default_factory=dict)

    def of(self, view: Survived) -> Survived:
        """The view, which passes over these values as well."""
        more = {name: test for name, test in self.tests.get(view.name, {}).items() if name in view.records.types}
        if not more:
            return view
        known = view.placeholders
        return replace(view, placeholders={**known, **{n: exp.or_(known[n], t) if n in known else t for n, t in more.items()}})


def learned(project: Project, crosswalk: Crosswalk | None) -> Learned:
    """What is known by the models that a version was made with; read once. Nothing without models, or without the project's secret: of
    what is under keyed hashes nobody knows anything then."""
    if crosswalk is None or not crosswalk.models:
        return Learned()
    if Learned not in crosswalk.remembered:
        crosswalk.remembered[Learned] = _read(project, crosswalk)
    found: Learned = crosswalk.remembered[Learned]
    return found


def _read(project: Project, crosswalk: Crosswalk) -> Learned:
    from identity.errors import ModelMismatch  # here, for many projects have rules alone
    from identity.probabilistic.model import load
    from identity.probabilistic.nobodys import known_nobodys
    from identity.versions.models import kept

    secret = None
    with suppress(MissingSecret, FileForbidden):
        secret = known_secret(project.model)
    tests: dict[str, dict[str, exp.Expr]] = {}
    functions: dict[str, Told] = {}
    for name, digest in sorted(crosswalk.models.items()):
        entity = name.split(".")[0]  # of each space there is one: what is nobody's in one is passed over in all
        weighed = project.model.models.get(entity)
        if secret is None or weighed is None:
            continue
        with suppress(ModelMismatch):
            found = known_nobodys(load(kept(project.store, digest)), digest, weighed, secret)
            functions |= found.functions
            for attribute, test in found.tests.items():
                before = tests.setdefault(entity, {}).get(attribute)
                tests[entity][attribute] = exp.or_(before, test) if before is not None else test
    return Learned(tests, functions)
