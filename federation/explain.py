"""What a query asks of whom, what stays local and why; with `analyze`, what it did ask."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from federation.plan import QueryPlan
from federation.report import Report
from federation.wording import age
from identity.crosswalk import Crosswalk
from views.duckdb_sql import read

if TYPE_CHECKING:
    from federation.session import Params, Session

ONE_LINE = 110
"""Characters of SQL that are read at a glance."""


@dataclass(frozen=True, slots=True, repr=False)
class Explanation:
    """A plan, and the report of its run if it was analysed. `str()` is for people, `as_dict()` for programs.

    Nothing in it depends on rows that a policy hides, but for the meters of an analysed run.
    """

    plan: QueryPlan
    state_sql: str
    plan_ms: float
    report: Report | None = None
    crosswalk: Crosswalk | None = None

    def as_dict(self) -> dict[str, Any]:
        """{"fragments": [{"source", "table", "sql", "stage", "rows", "bytes", "requests", "ms", "reason_local"}], "trusted_sql",
        "user_sql", "plan_ms", "total_ms", "complete", "journal", "crosswalk_version", "resolved_at"}; meters are None if it was not run."""
        trusted = ";\n\n".join(t.sql for t in (*self.plan.searches, *self.plan.relations))
        if self.report is not None:
            return self.report.as_dict() | {"trusted_sql": trusted, "plan_ms": round(self.plan_ms, 3)}
        resolved = self.crosswalk.resolved_at if self.crosswalk is not None else None
        fragments = [
            {
                "source": f["source"], "table": f["table"], "sql": f["sql"], "keys": f["keys"], "stage": f["stage"], "rows": None,
                "bytes": None, "requests": None, "ms": None, "reason_local": f["reason_local"],
            }
            for f in self.plan.as_dict()["fetches"]
        ]  # fmt: skip
        return {
            "fragments": fragments, "trusted_sql": trusted, "user_sql": self.plan.user_sql, "plan_ms": round(self.plan_ms, 3),
            "total_ms": None, "complete": None, "journal": list(self.plan.journal), "crosswalk_version": self.plan.crosswalk_version,
            "resolved_at": resolved.isoformat() if resolved else None,
        }  # fmt: skip

    def json(self) -> str:
        return json.dumps(self.as_dict(), indent=2, default=str)

    def __repr__(self) -> str:
        """A notebook shows it as `print` does."""
        return str(self)

    def __str__(self) -> str:
        return self.text()

    def text(self, *, verbose: bool = False) -> str:
        """What each source is asked, stage by stage. `verbose`: what each planner pass did too, and the SQL of both rooms."""
        lines = [f"planned in {self.plan_ms:.1f} ms" + (f", answered in {self.report.total_ms:.1f} ms" if self.report else "")]
        lines += [f"  {line}" for line in self.plan.journal] if verbose else []
        if self.crosswalk is not None:
            resolved = self.crosswalk.resolved_at
            lines.append(f"crosswalk version {self.crosswalk.version}" + (f", resolved {age(resolved)} ago" if resolved else ""))
        for stage in self.plan.stages:
            lines += [f"stage {stage}", *(self._planned(stage) if self.report is None else self._done(stage, self.report))]
        lines.append("trusted room (identity, survivorship and policies; only its columns leave it)")
        for trusted in (*self.plan.searches, *self.plan.relations) if verbose else self.plan.relations:
            lines.append(f"  {trusted.name}({', '.join(trusted.columns)})")
            lines += [_indented(_pretty(trusted.sql), 4)] if verbose else []
        not_entered = " (not entered: only columns of one relation are asked for)" if self.plan.direct else ""
        return "\n".join([*lines, f"user's room{not_entered}", _indented(_pretty(self.plan.user_sql), 2)])

    def _planned(self, stage: int) -> Iterator[str]:
        for fetch in self.plan.as_dict()["fetches"]:
            if fetch["stage"] == stage:
                keys = f", by the keys ({', '.join(fetch['keys'])}) of {self._whose(fetch['lookup'])}" if fetch["keys"] else ""
                yield f"  {fetch['source']}.{fetch['table']}{keys}"
                yield _indented(_pretty(fetch["sql"]), 4)
                yield from (f"    local: {reason}" for reason in fetch["reason_local"])

    def _whose(self, lookup: str) -> str:
        ids = next(x.ids for x in self.plan.lookups if x.slot == lookup)
        return "the people asked for" if any(i.name == ids and i.params for i in self.plan.ids) else "the people found"

    @staticmethod
    def _done(stage: int, report: Report) -> Iterator[str]:
        for done in report.fragments:
            if done.stage == stage:
                meters = f"rows {done.rows:,}, bytes {done.bytes:,}, requests {done.requests}, {done.ms:.1f} ms"
                yield f"  {done.source}.{done.table}: {meters if done.asked else 'not asked: no keys'}"
                yield _indented(done.sql, 4)
                yield from (f"    local: {reason}" for reason in done.reason_local)


def explain(session: Session, query: str, params: Params, *, analyze: bool, timeout: float | None) -> Explanation:
    """Plan a query, and run it if `analyze`. Raises what `Session.sql` raises."""
    from federation.inline import statement
    from federation.session import bound

    started = time.perf_counter()
    project = session.project
    crosswalk = project.store.current()
    prepared, _, _ = project.planner.prepare(query, bound(params), session.views, crosswalk, lift=False)
    plan_ms = (time.perf_counter() - started) * 1000
    report = None
    if analyze:
        with session.sql(query, params, timeout=timeout) as result:
            for _ in result:
                pass
            report = result.report
    return Explanation(prepared.plan, statement(prepared.state, crosswalk), plan_ms, report, crosswalk)


def _pretty(sql: str) -> str:
    """SQL of ours: on one line where it fits, else in lines."""
    return sql if len(sql) <= ONE_LINE else "\n".join(tree.sql("duckdb", pretty=True) for tree in read(sql) if tree is not None)


def _indented(text: str, by: int) -> str:
    return "\n".join(" " * by + line for line in text.splitlines())
