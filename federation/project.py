"""A project, connected: its sources, its crosswalk, the two rooms. The public API starts here."""

from __future__ import annotations

import threading
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from connectors import registry
from connectors.spi import Connector
from connectors.spi.errors import Cancelled
from federation.disk import StateStore
from federation.errors import ProjectClosed, UnknownObject, UnknownPrincipal, UnknownQuery
from federation.link_cache import LinkCache
from federation.query_log import QueryLog
from views.expand import Views
from views.load import load
from views.model import Model

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from datetime import datetime

    from federation.deciding import Key
    from federation.lag import Lag
    from federation.planner import Planner
    from federation.rooms import TrustedRoom, UserRoom
    from federation.run import Run
    from federation.session import Session
    from identity.crosswalk import Crosswalk
    from identity.engines import Generic
    from identity.evidence.why import ClusterEvidence, Why
    from identity.households.reading import HouseholdEvidence
    from identity.model_use import ModelUse
    from identity.report import ResolveReport
    from identity.stewardship.decisions import Decision
    from identity.stewardship.review import Queue
    from identity.versions.plans import Plan

LOCAL = "local"
"""Who a session is for when nobody is named: the person at this machine. Policies bind `local` like anybody, unless exempt."""


T = TypeVar("T")


class made_once(cached_property[T]):
    """A `cached_property` of a project that is made once however many threads ask first: Python has no lock around it from 3.12 on."""

    def __get__(self, project: Any, owner: type[Any] | None = None) -> T:  # type: ignore[override]
        with project._lock:
            made: T = super().__get__(project, owner)
        return made


def connect(path: str | Path = "c360.yml") -> Project:
    """Open the project of a `c360.yml`. Contacts no source; raises views.errors.ProjectFile if the file is wrong."""
    return Project(load(path))


class Project:
    """Thread-safe. `session()` to ask, `resolve()` to link, `close()` (or `with`) at the end."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.log = QueryLog()
        self.running: dict[str, Run] = {}
        self._connectors: dict[str, Connector] = {}
        self._links = LinkCache()
        self._closed = False
        self._views: dict[object, Views] = {}
        self._lock = threading.RLock()
        settings = model.settings
        self.timeout = float(settings.get("timeout") or 60.0)  # type: ignore[arg-type]
        self.max_rows: int | None = settings.get("max_rows")  # type: ignore[assignment]
        self.memory = int(settings.get("memory") or (2 << 30))  # type: ignore[call-overload]

    def session(self, principal: str | None = None, purpose: str | None = None) -> Session:
        """A session for a principal and a purpose; without them, for the local user and no purpose.

        Raises UnknownPrincipal if the project lists principals and this is none of them.
        """
        from federation.session import Session

        name = principal or LOCAL
        known = self.model.principals
        if principal is not None and known and name not in known:
            raise UnknownPrincipal(
                f"`{name}` is not a principal of project `{self.model.name}`", hint="add it under `principals:` in c360.yml"
            )
        roles = frozenset(known.get(name, ())) | ({LOCAL} if principal is None else set())
        with self._lock:
            views = self._views.setdefault((roles, purpose), Views(self.model, roles, purpose))
        return Session(self, name, purpose, views)

    def source(self, name: str) -> Connector:
        """The connector of a source. Raises UnknownObject, and what its kind raises for its options."""
        with self._lock:
            if self._closed:
                raise ProjectClosed(f"project `{self.model.name}` is closed", hint="open it again: c360.connect(…)")
            if name not in self._connectors:
                config = self.model.sources.get(name)
                if config is None:
                    raise UnknownObject(f"there is no source `{name}`", hint=f"sources: {', '.join(self.model.sources)}")
                self._connectors[name] = registry.connect(name, config.kind, config.options)
            return self._connectors[name]

    def resolve(
        self,
        progress: Callable[[str, int], None] | None = None,
        reveal: Callable[[Generic], None] | None = None,
        *,
        full: bool = False,
        allow_shrink: bool = False,
    ) -> ResolveReport:
        """Link the records of every mapped table by rules and models, and publish a new crosswalk. See federation.resolving."""
        from federation.resolving import resolve_project

        return resolve_project(self, progress, reveal, full=full, allow_shrink=allow_shrink)

    def train(self, entity: str | None = None, progress: Callable[[str, int], None] | None = None) -> tuple[ModelUse, ...]:
        """Train the model of an entity, or of all, anew. See federation.resolving."""
        from federation.resolving import train_project

        return train_project(self, entity, progress)

    def plan(self, progress: Callable[[str, int], None] | None = None) -> Plan:
        """Resolve without publishing: what would change, kept beside the crosswalk for `apply`. See identity.versions.plans."""
        from federation.resolving import plan_project

        return plan_project(self, progress)

    def apply(self) -> Plan:
        """Publish exactly what was planned. See federation.resolving for what it refuses."""
        from federation.resolving import apply_project

        return apply_project(self)

    def decide(self, verdict: str, a: Key, b: Key | int, *, reason: str, by: str | None = None, until: datetime | None = None) -> Decision:
        """Note that records ("crm", "contact", 42) are the "same" person, "different" ones, or "pin" one's person to an id360.

        It holds from the next resolve on. See federation.deciding.
        """
        from federation.deciding import decide_records

        return decide_records(self, verdict, a, b, reason=reason, by=by, until=until)

    def why(self, a: Key | int, b: Key | int | None = None) -> Why | ClusterEvidence | HouseholdEvidence:
        """Why records ("crm", "contact", 42) and ("shop", "customer", "C-3") are one person, or are not: the pairs that lead from one
        to the other, each with its evidence. Of two id360s: the same of the best pair of their records. Of one alone: how its records hang
        together; of a household's id: who is of it, and by which pairs of records. See federation.explaining."""
        from federation.explaining import why_id360, why_people, why_records

        if isinstance(a, int) and (b is None or isinstance(b, int)):
            return why_id360(self, a) if b is None else why_people(self, a, b)
        if isinstance(a, int) or b is None or isinstance(b, int):
            raise TypeError("why() takes two records, two id360s, or one id360")
        return why_records(self, a, b)

    def review(self, limit: int = 20, kinds: Collection[str] = ()) -> Queue:
        """What is worth a steward's look, weightiest first; of some `kinds` only, if given. See identity.stewardship.review."""
        from federation.explaining import review_project

        return review_project(self, limit, kinds)

    def rollback(self, to: int | None = None) -> Crosswalk:
        """Let the version before (or version `to`) serve again, as a new version; no id is lost or reused.

        See identity.versions.rollback.
        """
        from federation.resolving import rollback_project

        return rollback_project(self, to)

    def lag(self, *, exact: bool = False) -> Lag:
        """How far the crosswalk lags behind its sources, table by table. See federation.lag."""
        from federation.lag import lag

        return lag(self, exact=exact)

    def drifted(self, source: str) -> None:
        """A source's tables are no longer what they were: discover and plan anew at the next query."""
        self.source(source).forget()
        self.forget_plans()

    def forget_plans(self) -> None:
        """Plan anew from now on: the crosswalk or a schema has changed."""
        self.planner.forget()

    def cancel(self, query_id: str) -> None:
        """Stop a running query, from any thread. Raises UnknownQuery."""
        run = self.running.get(query_id)
        if run is None:
            raise UnknownQuery(f"no query `{query_id}` is running", hint="it may have ended; see the query log")
        run.stop(Cancelled("the query was cancelled"))

    @made_once
    def store(self) -> StateStore:
        model = self.model
        key, former = (given.reveal() if given is not None else None for given in (model.encryption_key, model.former_encryption_key))
        return StateStore(Path(model.state) / "crosswalk", key, former_key=former, keep=model.keep_versions)

    # what plans and runs queries is imported by the first: `why`, `review`, `decide` and the like start in half the time

    @made_once
    def trusted(self) -> TrustedRoom:
        from federation.rooms import TrustedRoom

        return TrustedRoom(f"{self.memory >> 20}MiB", self._links, idle=self.memory // 4)

    @made_once
    def windows(self) -> TrustedRoom:
        from federation.rooms import TrustedRoom

        return TrustedRoom(f"{self.memory >> 20}MiB", self._links, threads=1)

    @made_once
    def user(self) -> UserRoom:
        from federation.rooms import UserRoom

        return UserRoom(f"{self.memory >> 20}MiB")

    @made_once
    def planner(self) -> Planner:
        from federation.nobodys import learned
        from federation.planner import Planner

        return Planner(self.source, self.trusted, self.windows, self.user, partial(learned, self))

    def close(self) -> None:
        """Stop what runs, drop every connection. Safe to call twice."""
        for run in list(self.running.values()):
            run.stop(Cancelled("the project was closed"))
        with self._lock:
            self._closed = True
            for connector in self._connectors.values():
                connector.close()
            self._connectors.clear()

    def __enter__(self) -> Project:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Project {self.model.name}: {len(self.model.sources)} sources, {len(self.model.mappings)} mappings>"
